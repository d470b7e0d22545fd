"""Daemons that dial in: their sessions, whether they are there, and the one request of theirs that waits.

Doesn't know what they are told. A session is a fencing token: it grows, over restarts too, and only the newest counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

from atoll.service.coordinator._books import Books, log
from atoll.service.coordinator._clock import Timer
from atoll.service.coordinator._refusals import Refusal
from atoll.service.coordinator._registry import DaemonRecord
from atoll.wire import Hello, Welcome

BEAT = 5.0  # seconds between two polls
BEATS = 3  # so many missed, and it is away
BROKEN = 3.0  # seconds after its connection broke until it is away
SKEW = 60.0  # seconds between two clocks that are worth a word

_TAKEN = {"node": "node.name-taken", "host": "host.name-taken"}

T = TypeVar("T")
D = TypeVar("D", bound="Daemon")


class Daemon:
    """A node or a host, as the coordinator sees it."""

    __slots__ = ("broken", "free", "look", "record", "seen", "since", "timer", "told_away", "turn", "waiting")

    def __init__(self, record: DaemonRecord) -> None:
        self.record = record
        self.seen: float | None = None  # monotonic; None: not since the coordinator's start
        self.broken: float | None = None
        self.since = 0.0  # when it came or went, by the wall's clock
        self.free = 0
        self.told_away = True
        self.waiting: asyncio.Future[None] | None = None
        self.turn = 0  # of the poll that counts
        self.timer: Timer | None = None
        self.look: Timer | None = None

    @property
    def name(self) -> str:
        return self.record.name

    def away_at(self) -> float:
        """The moment from which it counts as away, unless it is heard of."""
        if self.seen is None:
            return 0.0
        late = self.seen + BEATS * BEAT
        return late if self.broken is None else min(late, self.broken + BROKEN)

    def wake(self) -> None:
        """Let its waiting poll look again."""
        waiting, self.waiting = self.waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_result(None)
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class Presence(Generic[D]):
    """All daemons of a kind."""

    def __init__(self, books: Books, kind: str, make: Callable[[DaemonRecord], D]) -> None:
        self._books, self._kind, self._make = books, kind, make
        self._clock = books.clock
        known = books.registry.all(kind, DaemonRecord)
        self.by_name: dict[str, D] = {name: make(record) for name, record in known.items()}
        self.went: Callable[[D], None] = lambda daemon: None
        self.came: Callable[[D], None] = lambda daemon: None

    def here(self, daemon: D) -> bool:
        """Whether it was heard of lately."""
        return self._clock.monotonic() < daemon.away_at()

    async def hello(self, hello: Hello) -> Welcome:
        """Begin a session; older ones are refused from now on. Raises `Refusal` (`node.name-taken`, `host.name-taken`)."""
        now, known = self._clock.time(), self.by_name.get(hello.name)
        if known is not None and known.record.identity != hello.identity and self.here(known):
            message = f"another {self._kind} called {hello.name} is here"
            raise Refusal(409, _TAKEN[self._kind], message, "start it with another --name")
        before = known.record if known is not None else None
        record = DaemonRecord(
            name=hello.name, identity=hello.identity, session=(before.session if before else 0) + 1, version=hello.version,
            slots=hello.slots, data=hello.data, labels=hello.labels, resources=hello.resources, skew=hello.time - now,
            remove=before.remove if before else [],
        )  # fmt: skip
        daemon = known or self.by_name.setdefault(hello.name, self._make(record))
        daemon.record = record
        daemon.wake()
        self._books.registry.put(self._kind, hello.name, record)
        self._heard(daemon)
        if abs(record.skew) > SKEW:
            log.warning("%s", skewed(self._kind, record))
        await self._books.registry.durable()
        return Welcome(session=record.session, time=self._clock.time(), beat=BEAT)

    def known(self, name: str, session: int) -> D:
        """The daemon whose newest session this is. Raises `Refusal`."""
        daemon = self.by_name.get(name)
        if daemon is None or session > daemon.record.session:
            message = f"the coordinator knows no such session of {self._kind} {name}"
            raise Refusal(409, f"{self._kind}.fenced", message, "say hello again")
        if session < daemon.record.session:
            message = f"a newer process of {self._kind} {name} has taken over"
            raise Refusal(409, f"{self._kind}.fenced", message, "nothing: this one ends")
        self._heard(daemon)
        return daemon

    async def wait(self, daemon: D, seconds: float, ready: Callable[[], T | None]) -> T | None:
        """What is ready for it: now, or within so many seconds. Another poll of the same daemon ends this one; a new session
        refuses it."""
        daemon.turn += 1
        daemon.wake()
        session = daemon.record.session
        turn, until = daemon.turn, self._clock.monotonic() + seconds
        while True:
            if daemon.record.session != session:
                self.known(daemon.name, session)
            found = ready() if turn == daemon.turn else None
            left = until - self._clock.monotonic()
            if found is not None or left <= 0 or turn != daemon.turn or self._books.draining:
                return found
            daemon.waiting = waiting = asyncio.get_running_loop().create_future()
            daemon.timer = self._clock.call_later(left, daemon.wake)
            await waiting

    def gone(self, name: str, session: int) -> None:
        """The connection of a waiting poll broke."""
        daemon = self.by_name.get(name)
        if daemon is not None and daemon.record.session == session:
            daemon.broken = self._clock.monotonic()
            daemon.turn += 1
            daemon.wake()
            self._watch(daemon, BROKEN)

    def change(self, daemon: D, **changes: object) -> None:
        """Change a daemon's record; durable with the registry."""
        daemon.record = msgspec.structs.replace(daemon.record, **changes)
        self._books.registry.put(self._kind, daemon.name, daemon.record)

    def wake_all(self) -> None:
        """Let every waiting poll look again."""
        for daemon in list(self.by_name.values()):
            daemon.wake()

    def _heard(self, daemon: D) -> None:
        here = self.here(daemon)
        daemon.seen, daemon.broken = self._clock.monotonic(), None
        if not here:
            daemon.since = self._clock.time()
        if daemon.told_away:
            daemon.told_away = False
            self.came(daemon)
            self._watch(daemon, BEATS * BEAT)

    def _watch(self, daemon: D, seconds: float) -> None:
        if daemon.look is not None:
            daemon.look.cancel()
        daemon.look = self._clock.call_later(seconds, lambda: self._look(daemon))

    def _look(self, daemon: D) -> None:
        """Whether it is still there; one timer a daemon."""
        left = daemon.away_at() - self._clock.monotonic()
        if left > 0:
            self._watch(daemon, left)
        elif not daemon.told_away:
            daemon.told_away, daemon.since, daemon.look = True, self._clock.time(), None
            self.went(daemon)


def skewed(kind: str, record: DaemonRecord) -> str:
    """What to say about a clock that is off."""
    ahead = "ahead of" if record.skew > 0 else "behind"
    return f"{kind} {record.name}'s clock is {abs(record.skew):.0f} s {ahead} the coordinator's; set one of them right"
