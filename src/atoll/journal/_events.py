"""The events of a run: what happened, append-only; everything else is derived from them.

Doesn't know where they are kept. Each carries `v`, the version of its own form: a reader knows the versions
up to its own, and old journals are never rewritten.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from atoll.values import Scalar

PROLOGUE = 0  # the round number of what is asked before the first round
EPILOGUE = -1  # ... and after the last


class _Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag=str.lower):
    time: float  # seconds since 1970, UTC
    v: int = 1


class Created(_Event, frozen=True, kw_only=True):
    """A run exists: everything that is needed to run it again."""

    id: str
    name: str
    app: dict[str, Any]  # project, server, client, digest of the sources
    config: dict[str, Any]
    seed: int
    nodes: list[str]
    settings: dict[str, Any] = {}  # data, partition, workers, threads ...
    versions: dict[str, str] = {}
    machine: dict[str, str] = {}  # what else the last digits depend on: system, processor, blas, threads


class Started(_Event, frozen=True, kw_only=True):
    """The server app begins, or begins again: attempt 1, 2 ..."""

    attempt: int
    pid: int


class Offered(_Event, frozen=True, kw_only=True):
    """A task was given to a cohort. The digest names its content, whatever the attempt."""

    round: int
    ordinal: int
    action: str
    digest: str
    cohort: list[str]


class CallRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One node's part of a `Called`. The digest names the task's content; `seq` is the call's number within the run."""

    key: str
    digest: str
    node: str
    index: int
    place: int
    seed: int
    seq: int
    deadline: float | None = None


class Called(_Event, frozen=True, kw_only=True):
    """Deployed: calls to be offered to nodes, until each has an outcome. `task` is the object that holds its payload."""

    round: int
    ordinal: int
    action: str
    task: str
    config: dict[str, Any] = {}
    alike: bool = True
    calls: list[CallRow]


class Held(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A data set of a node, as far as it may be told: its rows, and a fingerprint as `atoll.data` makes them."""

    node: str
    name: str
    rows: int | None = None
    fingerprint: str = ""


class Accepted(_Event, frozen=True, kw_only=True):
    """A reply counts; it is durable, and will never be asked for again."""

    round: int
    ordinal: int
    index: int
    node: str
    action: str
    weight: float
    metrics: dict[str, Scalar]
    seconds: float
    payload: str  # the object that holds the reply's payload
    state: str = ""  # the node's state after it, when the task changed it
    staleness: int = 0  # in a stream: how many newer tasks were sent since its own
    key: str = ""  # deployed: of the call that it answers
    digest: str = ""  # ... and its own
    seq: int = 0  # ... the call's number, by which the node keeps its state
    state_changed: bool = False
    data: list[Held] = []  # deployed: what the node's owner lets it tell of data that it opened
    versions: dict[str, str] = {}  # ... what it computes with, told with a worker's first reply
    virtual_time: float | None = None  # in a simulation with a clock: seconds since the run began


class Failed(_Event, frozen=True, kw_only=True):
    """A node's reply can't count. `failure`: raised, deadline, invalid, lost, refused, late."""

    round: int
    ordinal: int
    index: int
    node: str
    action: str
    failure: str
    message: str
    traceback: str = ""
    key: str = ""
    digest: str = ""
    virtual_time: float | None = None


class Row(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What one reply reported, kept with the commit of its round."""

    ordinal: int
    index: int
    node: str
    action: str
    weight: float
    metrics: dict[str, Scalar]
    seconds: float


class Committed(_Event, frozen=True, kw_only=True):
    """A round is done: its state by name and digest. Round 0 holds the initial state."""

    round: int
    total: int
    state: dict[str, str]
    metrics: dict[str, Scalar] = {}
    score: float | None = None  # higher is better; the best model is kept
    replies: list[Row] = []  # of the round, those without an event of their own
    node_states: dict[str, str] = {}
    seconds: float = 0.0
    data: list[Held] = []  # of the nodes whose data was opened since the last commit, and never before
    virtual_time: float | None = None  # in a simulation with a clock


class Diverged(_Event, frozen=True, kw_only=True):
    """The program asked something else than before at the same place; what it got before is void."""

    round: int
    ordinal: int
    was: str
    now: str


class Logged(_Event, frozen=True, kw_only=True):
    """A line of the run's log."""

    message: str
    level: str = "info"
    round: int | None = None
    node: str = ""


class Finished(_Event, frozen=True, kw_only=True):
    """The run ended: finished, failed or stopped. Only a finished one can't be resumed."""

    status: str
    model: dict[str, str] = {}
    replies: list[Row] = []  # since the last commit, those without an event of their own
    data: list[Held] = []  # likewise
    reason: dict[str, str] = {}  # code, message, mend, traceback


Event: TypeAlias = (
    Created | Started | Offered | Called | Accepted | Failed | Committed | Diverged | Logged | Finished
)

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Event)

encode = _encoder.encode


def decode(body: bytes) -> Event:
    """An event from its bytes. Raises `msgspec.ValidationError` for a form this version does not know."""
    event: Event = _decoder.decode(body)
    return event
