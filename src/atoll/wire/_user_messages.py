"""What crosses the network for users: runs begun and listed, nodes, federations, preflights.

Doesn't know who may ask.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from atoll.wire._daemon_messages import Needs, Order, ProbeResult
from atoll.wire._messages import Digest, Message, Name


class NewRun(Message, frozen=True, kw_only=True):
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


class RunInfo(Message, frozen=True, kw_only=True):
    """A run as lists show it: the journal's summary, and where it runs."""

    summary: dict[str, Any]
    federation: str
    where: str = "host"
    waiting: str = ""  # why it does not go on: disk full, no nodes ...


class RunList(Message, frozen=True, kw_only=True):
    """Runs, newest first."""

    runs: list[RunInfo] = []


class NodeInfo(Message, frozen=True, kw_only=True):
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


class NodeList(Message, frozen=True, kw_only=True):
    """All nodes."""

    nodes: list[NodeInfo] = []


class Federation(Message, frozen=True, kw_only=True):
    """A federation; `open` takes every node that comes."""

    name: Name
    nodes: list[Name] = []
    open: bool = False
    created: float = 0.0


class FederationList(Message, frozen=True, kw_only=True):
    """All federations."""

    federations: list[Federation] = []


class Check(Message, frozen=True, kw_only=True):
    """A preflight at all nodes of a federation. `id` is the asker's where `order` signs for it."""

    federation: Name
    bundle: Digest
    app: dict[str, Any]
    id: Annotated[str, Meta(max_length=64, pattern=r"^[A-Za-z0-9_-]*$")] = ""
    config: dict[str, Any] = {}
    threads: int = 1
    needs: Needs = Needs()
    order: Order | None = None


class Checked(Message, frozen=True, kw_only=True):
    """What each node found."""

    results: list[ProbeResult] = []
    away: list[str] = []
