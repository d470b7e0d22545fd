"""What crosses the network as control: JSON bodies, each a Struct whose fields are bounded when it is decoded.

Doesn't know who serves or sends them. Unknown fields are ignored, so that neighbouring versions work together.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta

API = 1
INLINE = 64 << 10  # bytes of a payload that ride inside a message

Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")]
RunId: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+\Z")]
Digest: TypeAlias = Annotated[str, Meta(pattern=r"^sha256:[0-9a-f]{64}\Z")]
Text: TypeAlias = Annotated[str, Meta(max_length=20_000)]
Count: TypeAlias = Annotated[int, Meta(ge=0, le=1 << 53)]
Seconds: TypeAlias = Annotated[float, Meta(ge=0, le=600)]
Key: TypeAlias = Annotated[str, Meta(min_length=1, max_length=256)]


class _Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    pass


class Problem(_Message, frozen=True, kw_only=True):
    """Why a request was refused: a stable code, what happened, and the mend. `time`: the coordinator's, for whose is off."""

    code: str
    message: str
    mend: str = ""
    time: float = 0.0


class Ok(_Message, frozen=True, kw_only=True):
    """Done; nothing to tell."""


class About(_Message, frozen=True, kw_only=True):
    """Who answers: its version, its clock (seconds since 1970, UTC), what it can do, and the id of the key that requests
    have to be signed for, where they have to be."""

    version: str
    time: float
    api: int = API
    capabilities: list[str] = []
    audience: str = ""


# -- payloads ---------------------------------------------------------------------------------------------------


class Tensor(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One array: where its bytes lie. `object` is "" for the inline pack."""

    name: Annotated[str, Meta(max_length=4096)]
    dtype: Annotated[str, Meta(max_length=16)]  # as safetensors calls it: F32, BF16 ...
    shape: Annotated[list[Count], Meta(max_length=64)]
    object: Annotated[str, Meta(max_length=128)]
    offset: Count = 0


class Manifest(_Message, frozen=True, kw_only=True):
    """A payload: plain values as MessagePack, arrays by payload name, and the objects that hold their bytes."""

    plain: bytes = b""
    groups: dict[str, list[Tensor]] = {}
    objects: dict[Digest, Count] = {}  # and their sizes in bytes
    inline: bytes = b""


# -- nodes ------------------------------------------------------------------------------------------------------


class Hello(_Message, frozen=True, kw_only=True):
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


class Welcome(_Message, frozen=True, kw_only=True):
    """The daemon's session: a fencing token that grows; older sessions of the same name are refused from now on."""

    session: int
    time: float
    beat: float = 5.0  # seconds between polls


class Poll(_Message, frozen=True, kw_only=True):
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


class Offer(_Message, frozen=True, kw_only=True):
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


class Needs(_Message, frozen=True, kw_only=True):
    """What one task of a run takes at a node. `cpus` 0: as many as the run's threads; `memory` in bytes, 0: not counted."""

    cpus: Annotated[float, Meta(ge=0, le=100_000)] = 0.0
    gpus: Annotated[int, Meta(ge=0, le=1000)] = 0
    memory: Count = 0


class Order(_Message, frozen=True, kw_only=True):
    """Something signed, as `identity.Signed` has it: a user's order for a run, for nodes to check; a checkpoint, to be kept."""

    kind: Annotated[str, Meta(max_length=32)]
    body: Annotated[str, Meta(max_length=64 << 10)]
    by: Annotated[str, Meta(max_length=64)]
    signature: Annotated[str, Meta(max_length=128)]


class RunSpec(_Message, frozen=True, kw_only=True):
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


class Probe(_Message, frozen=True, kw_only=True):
    """A preflight to be made at a node: can this bundle be loaded, does the data exist?"""

    id: str
    spec: RunSpec


class Orders(_Message, frozen=True, kw_only=True):
    """What a node is to do. `cancel`: "<run>/<key>" not wanted any more; `drop`: runs that are over: forget their workers,
    `remove`: runs that were removed: forget their state as well; `checkpoint`: of the coordinator's audit log, to be kept."""

    offers: list[Offer] = []
    cancel: list[Key] = []
    drop: list[RunId] = []
    remove: list[RunId] = []
    probes: list[Probe] = []
    checkpoint: Order | None = None


class Good(_Message, frozen=True, kw_only=True, tag="good"):
    """A call's valid update."""

    weight: float
    metrics: dict[str, Any] = {}
    special: dict[str, Literal["nan", "inf", "-inf"]] = {}  # those that JSON has no number for
    seconds: float = 0.0
    payload: Manifest
    state_changed: bool = False


class Bad(_Message, frozen=True, kw_only=True, tag="bad"):
    """A call came to nothing; `failure` as in the journal: raised, deadline, invalid, lost, refused."""

    failure: Annotated[str, Meta(max_length=32)]
    message: Text
    traceback: Text = ""


class Answer(_Message, frozen=True, kw_only=True):
    """A node's answer to a call. `digest` is of the outcome; the call's own is `call`."""

    name: Name
    session: int
    run: RunId
    key: Key
    call: Digest
    digest: Digest
    outcome: Good | Bad


class Verdict(_Message, frozen=True, kw_only=True):
    """What became of an answer: accepted (durable; commit the state), late, void, refused (with `lack`: upload these first)."""

    status: str
    lack: list[Digest] = []
    message: str = ""


class ProbeResult(_Message, frozen=True, kw_only=True):
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


class Lines(_Message, frozen=True, kw_only=True):
    """Lines of a node's workers."""

    name: Name
    session: int
    lines: Annotated[list[Line], Meta(max_length=1000)]


# -- hosts ------------------------------------------------------------------------------------------------------


class HostPoll(_Message, frozen=True, kw_only=True):
    """Which server apps a host runs, and how many more it takes."""

    name: Name
    session: int
    running: list[RunId] = []
    free: Count = 0
    wait: Seconds = 5.0


class HostOrders(_Message, frozen=True, kw_only=True):
    """Server apps to start and to stop (asked first, killed after ten seconds)."""

    start: list[RunSpec] = []
    stop: list[RunId] = []


class RunEnded(_Message, frozen=True, kw_only=True):
    """A server app's process is gone; `how` in words."""

    name: Name
    session: int
    run: RunId
    how: str
    code: int = 0  # exit status, negative: signal
    output: Text = ""  # its last lines


# -- programs (server apps) ---------------------------------------------------------------------------------------


class LendKey(_Message, frozen=True, kw_only=True):
    """Let a key (its public half) drive a run for a while: an attempt's, whoever starts it. The same again: for longer."""

    key: Annotated[str, Meta(max_length=64)]


class RunKey(_Message, frozen=True, kw_only=True):
    """A key that drives a run until `expires`, by the coordinator's clock: that is in so many seconds."""

    expires: float
    seconds: float


class Attend(_Message, frozen=True, kw_only=True):
    """A server app begins to write a run; `where`: host or here."""

    where: str = "host"


class Attended(_Message, frozen=True, kw_only=True):
    """The right to write the run; older ones are refused from now on."""

    fence: int
    spec: RunSpec


class CallSpec(_Message, frozen=True, kw_only=True):
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


class TaskSpec(_Message, frozen=True, kw_only=True):
    """A task that calls refer to."""

    action: str
    payload: Manifest
    config: dict[str, Any] = {}
    alike: bool = True


class Outcome(_Message, frozen=True, kw_only=True):
    """How a call ended."""

    key: Key
    digest: Digest  # of the call
    node: str
    outcome: Good | Bad


class Say(_Message, frozen=True, kw_only=True):
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


class Heard(_Message, frozen=True, kw_only=True):
    """Everything said is durable. Outcomes not heard yet; `stop` asks the program to end."""

    at: int
    outcomes: list[Outcome] = []
    stop: bool = False


class Events(_Message, frozen=True, kw_only=True):
    """Numbered events of a run; `live` tells whether more can come."""

    events: list[tuple[int, bytes]] = []
    live: bool = True


class Shelved(_Message, frozen=True, kw_only=True):
    """The manifests that a run's events name by their keys."""

    objects: dict[str, Manifest] = {}


# -- users ------------------------------------------------------------------------------------------------------


class NewRun(_Message, frozen=True, kw_only=True):
    """A run to be begun. `nodes` empty: all of the federation that are there. `id` is the asker's: the same again is the same run."""

    federation: Name
    bundle: Digest
    app: dict[str, Any]
    id: Annotated[str, Meta(max_length=64, pattern=r"^[A-Za-z0-9_-]*\Z")] = ""
    config: dict[str, Any] = {}
    seed: int = 0
    name: Annotated[str, Meta(max_length=128)] = ""
    nodes: list[Name] = []
    where: str = "host"
    threads: int = 1
    save: str = "auto"
    needs: Needs = Needs()
    order: Order | None = None  # signed by the asker; `id` is then that of the order


class RunInfo(_Message, frozen=True, kw_only=True):
    """A run as lists show it: the journal's summary, and where it runs."""

    summary: dict[str, Any]
    federation: str
    where: str = "host"
    waiting: str = ""  # why it does not go on: disk full, no nodes ...


class RunList(_Message, frozen=True, kw_only=True):
    """Runs, newest first."""

    runs: list[RunInfo] = []


class NodeInfo(_Message, frozen=True, kw_only=True):
    """A node as lists show it."""

    name: str
    status: str  # here, away
    since: float
    version: str = ""
    slots: int = 1
    busy: int = 0
    data: list[str] = []
    labels: dict[str, str] = {}
    resources: dict[str, float] = {}
    skew: float = 0.0  # seconds that its clock is ahead of the coordinator's
    federations: list[str] = []


class NodeList(_Message, frozen=True, kw_only=True):
    """All nodes."""

    nodes: list[NodeInfo] = []


class Federation(_Message, frozen=True, kw_only=True):
    """A federation; `open` takes every node that comes."""

    name: Name
    nodes: list[Name] = []
    open: bool = False
    created: float = 0.0


class FederationList(_Message, frozen=True, kw_only=True):
    """All federations."""

    federations: list[Federation] = []


class Check(_Message, frozen=True, kw_only=True):
    """A preflight at all nodes of a federation. `id` is the asker's where `order` signs for it."""

    federation: Name
    bundle: Digest
    app: dict[str, Any]
    id: Annotated[str, Meta(max_length=64, pattern=r"^[A-Za-z0-9_-]*$")] = ""
    config: dict[str, Any] = {}
    threads: int = 1
    needs: Needs = Needs()
    order: Order | None = None


class Checked(_Message, frozen=True, kw_only=True):
    """What each node found."""

    results: list[ProbeResult] = []
    away: list[str] = []


# -- bulk -------------------------------------------------------------------------------------------------------


class Lack(_Message, frozen=True, kw_only=True):
    """Which of these are not there?"""

    federation: Name
    objects: dict[Digest, Count]


class Lacking(_Message, frozen=True, kw_only=True):
    """Those, and how many bytes of each have come already."""

    lack: dict[Digest, Count] = {}


class Stored(_Message, frozen=True, kw_only=True):
    """Objects that are whole and durable now."""

    stored: list[Digest] = []


class Fetch(_Message, frozen=True, kw_only=True):
    """Pieces to send, one after the other."""

    federation: Name
    pieces: Annotated[list[tuple[Digest, Count, Count]], Meta(max_length=100_000)]  # object, offset, length
