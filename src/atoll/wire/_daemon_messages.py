"""What crosses the network between a coordinator and its daemons: nodes and hosts.

Doesn't know who decides what they are told.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from atoll.wire._messages import Count, Digest, Key, Manifest, Message, Name, Problem, RunId, Seconds, Text


class Hello(Message, frozen=True, kw_only=True):
    """A daemon (node or host) introduces itself. `time` is its own clock."""

    name: Name
    identity: Annotated[
        str, Meta(min_length=16, max_length=128)
    ]  # kept on the daemon's disk: the same after a restart
    version: str
    time: float
    slots: Annotated[int, Meta(ge=1, le=10_000)] = 1
    data: list[Name] = []  # names of its data sets
    labels: dict[str, str] = {}
    resources: dict[str, float] = {}  # cpus, gpus, memory (bytes)


class Welcome(Message, frozen=True, kw_only=True):
    """The daemon's session: a fencing token that grows; older sessions of the same name are refused from now on."""

    session: int
    time: float
    beat: float = 5.0  # seconds between polls


class Poll(Message, frozen=True, kw_only=True):
    """What a node has in hand, and how many more calls it takes. It is the heartbeat, too."""

    name: Name
    session: int
    have: dict[
        Key, Digest
    ] = {}  # "<run>/<key>" -> digest of the call in hand or of an answer not yet delivered
    removed: list[RunId] = []  # runs whose state it has forgotten, as it was told
    checkpoint: Order | None = None  # of its audit log, for the coordinator to keep
    free: Count = 0
    wait: Seconds = 5.0


class Offer(Message, frozen=True, kw_only=True):
    """A call for a node."""

    run: RunId
    key: Key
    digest: Digest
    seq: int
    action: str
    task: Manifest
    config: dict[str, Any] = {}  # the task's own
    alike: bool = True
    round: int
    ordinal: int
    seed: int
    state_after: int = 0  # begin from the node's state after the call of this number
    deadline: float | None = None  # seconds from now
    wants: RunSpec | None = None  # of the run; always there


class Needs(Message, frozen=True, kw_only=True):
    """What one task of a run takes at a node. `cpus` 0: as many as the run's threads; `memory` in bytes, 0: not counted."""

    cpus: Annotated[float, Meta(ge=0, le=100_000)] = 0.0
    gpus: Annotated[int, Meta(ge=0, le=1000)] = 0
    memory: Count = 0


class Order(Message, frozen=True, kw_only=True):
    """Something signed, as `identity.Signed` has it: a user's order for a run, for nodes to check; a checkpoint, to be kept."""

    kind: Annotated[str, Meta(max_length=32)]
    body: Annotated[str, Meta(max_length=64 << 10)]
    by: Annotated[str, Meta(max_length=64)]
    signature: Annotated[str, Meta(max_length=128)]


class RunSpec(Message, frozen=True, kw_only=True):
    """What a worker needs to know of a run. `order`: what its user signed, where nodes are to believe that alone."""

    run: RunId
    name: str
    federation: Name
    bundle: Digest
    user: str = ""
    config: dict[str, Any] = {}
    seed: int = 0
    nodes: list[str] = []
    data: str = (
        ""  # the app's own simulated data, "module:function", for nodes that stand in for simulated ones
    )
    partition: dict[str, Any] | None = None
    client: str = ""
    server: str = ""
    threads: int = 1
    needs: Needs = Needs()
    order: Order | None = None
    since: int = 0  # the run's last event when it was resumed: what a host tells of earlier is of no matter


class Probe(Message, frozen=True, kw_only=True):
    """A preflight to be made at a node: can this bundle be loaded, does the data exist?"""

    id: str
    spec: RunSpec


class Orders(Message, frozen=True, kw_only=True):
    """What a node is to do. `cancel`: "<run>/<key>" not wanted any more; `drop`: runs that are over: forget their workers,
    `remove`: runs that were removed: forget their state as well; `checkpoint`: of the coordinator's audit log, to be kept."""

    offers: list[Offer] = []
    cancel: list[Key] = []
    drop: list[RunId] = []
    remove: list[RunId] = []
    probes: list[Probe] = []
    checkpoint: Order | None = None


class DataSet(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A data set that a node opened, as far as its owner lets that be told: its rows, its salted fingerprint."""

    name: Annotated[str, Meta(min_length=1, max_length=128)]
    rows: Count | None = None
    fingerprint: Annotated[str, Meta(max_length=64)] = ""


class Good(Message, frozen=True, kw_only=True, tag="good"):
    """A call's valid update."""

    weight: float
    metrics: dict[str, Any] = {}
    special: dict[str, Literal["nan", "inf", "-inf"]] = {}  # those that JSON has no number for
    seconds: float = 0.0
    payload: Manifest
    state_changed: bool = False
    data: Annotated[list[DataSet], Meta(max_length=1000)] = []  # opened since this worker's last answer
    versions: Annotated[
        dict[str, Annotated[str, Meta(max_length=64)]], Meta(max_length=64)
    ] = {}  # with its first


class Bad(Message, frozen=True, kw_only=True, tag="bad"):
    """A call came to nothing; `failure` as in the journal: raised, deadline, invalid, lost, refused."""

    failure: Annotated[str, Meta(max_length=32)]
    message: Text
    traceback: Text = ""


class Answer(Message, frozen=True, kw_only=True):
    """A node's answer to a call. `digest` is of the outcome; the call's own is `call`."""

    name: Name
    session: int
    run: RunId
    key: Key
    call: Digest
    digest: Digest
    outcome: Good | Bad


class Verdict(Message, frozen=True, kw_only=True):
    """What became of an answer: accepted (durable; commit the state), late, void, refused (with `lack`: upload these first)."""

    status: str
    lack: list[Digest] = []
    message: str = ""


class ProbeResult(Message, frozen=True, kw_only=True):
    """What a preflight found at one node; no problems: fit."""

    name: Name
    session: int
    id: str
    problems: list[Problem] = []
    versions: dict[str, str] = {}
    data: list[str] = []


class Line(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A line for a run's log."""

    run: RunId
    level: Annotated[str, Meta(max_length=16)]
    message: Annotated[str, Meta(max_length=4000)]
    round: int | None = None


class Lines(Message, frozen=True, kw_only=True):
    """Lines of a node's workers."""

    name: Name
    session: int
    lines: Annotated[list[Line], Meta(max_length=1000)]


class HostPoll(Message, frozen=True, kw_only=True):
    """Which server apps a host runs, and how many more it takes."""

    name: Name
    session: int
    running: list[RunId] = []
    free: Count = 0
    wait: Seconds = 5.0


class HostOrders(Message, frozen=True, kw_only=True):
    """Server apps to start and to stop (asked first, killed after ten seconds)."""

    start: list[RunSpec] = []
    stop: list[RunId] = []


class RunEnded(Message, frozen=True, kw_only=True):
    """A server app's process is gone; `how` in words."""

    name: Name
    session: int
    run: RunId
    how: str
    code: int = 0  # exit status, negative: signal
    output: Text = ""  # its last lines
    since: int = -1  # as it was in the order to start it; -1: a host that doesn't know
