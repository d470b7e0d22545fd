"""What crosses the network about audit, usage and quotas.

Doesn't know who serves or sends it. A log's lines travel as they are written: what was hashed is checked where it arrives.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from atoll.wire._daemon_messages import Order
from atoll.wire._messages import Message, Name

Line = Annotated[str, Meta(max_length=64 << 10)]
Limit = Annotated[float, Meta(ge=0, le=1e18)]


class AuditEntry(Message, frozen=True, kw_only=True):
    """Who did what: the entry's number, when (seconds since 1970, UTC), which kind of thing, by whom, and what of it."""

    n: int
    time: float
    kind: str
    who: str
    what: dict[str, Any] = {}
    name: str = ""  # who that is, as far as whoever asks may know


class AuditPage(Message, frozen=True, kw_only=True):
    """Entries, oldest first; ask again after number `next` while there are `more`."""

    entries: list[AuditEntry] = []
    next: int = 0
    more: bool = False


class AuditPiece(Message, frozen=True, kw_only=True):
    """Lines of the log of `of`, as they are, up to the checkpoint `closing`, which comes with the first; ask again at byte `at`
    while there are `more`."""

    of: str
    closing: Order | None = None
    lines: list[Line] = []
    at: int = 0
    more: bool = False


class UsageRow(Message, frozen=True, kw_only=True):
    """What one user had of one federation in one month (UTC): runs begun, seconds of nodes whose replies counted, bytes."""

    month: str
    federation: str
    user: str
    name: str = ""
    runs: int = 0
    node_seconds: float = 0.0
    bytes_in: int = 0
    bytes_out: int = 0


class UsageList(Message, frozen=True, kw_only=True):
    """Rows by month, federation and user."""

    rows: list[UsageRow] = []


class Limits(Message, frozen=True, kw_only=True):
    """What is allowed at most: live runs, stored bytes, node-hours a month. None: there is no limit."""

    runs: Limit | None = None
    bytes: Limit | None = None
    hours: Limit | None = None


class Limitation(Message, frozen=True, kw_only=True):
    """What to allow: the whole federation, each user in it ("*"), or one user (a name, or a key's id). Limits that are not named stay.

    `lift`: those that are to be no more."""

    user: Annotated[str, Meta(max_length=128)] = ""
    limits: Limits = Limits()
    lift: list[Annotated[str, Meta(max_length=16)]] = []


class Limited(Message, frozen=True, kw_only=True):
    """The limits of a federation, and what is used of them just now (node-hours: this month)."""

    federation: Name
    whole: Limits = Limits()
    used: Limits = Limits()
    users: dict[str, Limits] = {}
