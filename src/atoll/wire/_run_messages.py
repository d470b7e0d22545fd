"""What crosses the network between a coordinator and a server app's process: what it says of its run, and hears.

Doesn't know what the events mean.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from atoll.wire._daemon_messages import Bad, Good, RunSpec
from atoll.wire._messages import Digest, Key, Manifest, Message, Name, Seconds


class LendKey(Message, frozen=True, kw_only=True):
    """Let a key (its public half) drive a run for a while: an attempt's, whoever starts it. The same again: for longer."""

    key: Annotated[str, Meta(max_length=64)]


class RunKey(Message, frozen=True, kw_only=True):
    """A key that drives a run until `expires`, by the coordinator's clock: that is in so many seconds."""

    expires: float
    seconds: float


class Attend(Message, frozen=True, kw_only=True):
    """A server app begins to write a run; `where`: host or here."""

    where: str = "host"


class Attended(Message, frozen=True, kw_only=True):
    """The right to write the run; older ones are refused from now on."""

    fence: int
    spec: RunSpec


class CallSpec(Message, frozen=True, kw_only=True):
    """A call of the program. `task` is an index into the tasks of the same request."""

    key: Key
    digest: Digest
    node: Name
    task: int
    round: int
    ordinal: int
    index: int
    place: int
    seed: int
    deadline: float | None = None


class TaskSpec(Message, frozen=True, kw_only=True):
    """A task that calls refer to."""

    action: str
    payload: Manifest
    config: dict[str, Any] = {}
    alike: bool = True


class Outcome(Message, frozen=True, kw_only=True):
    """How a call ended."""

    key: Key
    digest: Digest  # of the call
    node: str
    outcome: Good | Bad


class Say(Message, frozen=True, kw_only=True):
    """What a program has to tell, in order: events to append (encoded as the journal's), calls to make, calls not wanted any more.

    `at` counts the requests of this lease that had something to say: the same number again is the same request.
    `objects`: what the events name: key -> manifest; `drop`: keys that are not needed any more.
    """

    fence: int
    at: int
    events: list[bytes] = []
    objects: dict[str, Manifest] = {}
    drop: list[str] = []
    tasks: list[TaskSpec] = []
    calls: list[CallSpec] = []
    cancel: list[Key] = []
    heard: list[Key] = []  # outcomes that this program has taken in
    wait: Seconds = 0.0  # for an outcome


class Heard(Message, frozen=True, kw_only=True):
    """Everything said is durable. Outcomes not heard yet; `stop` asks the program to end."""

    at: int
    outcomes: list[Outcome] = []
    stop: bool = False


class Events(Message, frozen=True, kw_only=True):
    """Numbered events of a run; `live` tells whether more can come."""

    events: list[tuple[int, bytes]] = []
    live: bool = True


class Shelved(Message, frozen=True, kw_only=True):
    """The manifests that a run's events name by their keys."""

    objects: dict[str, Manifest] = {}
