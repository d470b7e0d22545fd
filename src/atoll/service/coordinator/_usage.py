"""Usage: who had how much of which federation in which month, added up as it happens.

Doesn't know what is allowed. What a run's journal tells is counted exactly once, over kills too: beside the sums stands how
far each run has been counted. Bytes are counted as they pass, and those of the last seconds before a kill are lost.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

import msgspec

from atoll.journal import Accepted, Created, Event
from atoll.service.coordinator._clock import Clock, Timer
from atoll.service.coordinator._refusals import Refusal
from atoll.service.coordinator._registry import Registry

WRITTEN = 5.0  # seconds after which what was counted is written


class UsageRecord(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One user's in one federation and month (UTC). `hour` etc. are not kept: sums are all there is."""

    month: str
    federation: str
    user: str
    runs: int = 0
    seconds: float = 0.0
    bytes_in: int = 0
    bytes_out: int = 0


class Counted(msgspec.Struct, frozen=True):
    """How far a run has been counted: the number of its last event that was."""

    number: int


class Usage:
    """All sums. Lives on the event loop."""

    def __init__(self, registry: Registry, clock: Clock) -> None:
        self._registry, self._clock = registry, clock
        self._sums = registry.all("usage", UsageRecord)
        self._counted = {run: c.number for run, c in registry.all("usage-run", Counted).items()}
        self._changed: set[str] = set()
        self._runs: set[str] = set()
        self._timer: Timer | None = None
        self._writing: asyncio.Future[None] | None = None

    # -- counting ----------------------------------------------------------------------------------------------

    def took(self, run: str, federation: str, user: str, number: int, event: Event) -> None:
        """An event of a run is durable; the same again changes nothing."""
        if number <= self._counted.get(run, 0):
            return
        if isinstance(event, Created):
            self._sum(federation, user, event.time).runs += 1
        elif isinstance(event, Accepted):
            self._sum(federation, user, event.time).seconds += max(0.0, event.seconds)
        else:
            return
        self._counted[run] = number
        self._runs.add(run)
        self._soon()

    def moved(self, federation: str, user: str, *, came: int = 0, went: int = 0) -> None:
        """Bytes have come from or for a user, or gone to them or their runs' nodes."""
        if came or went:
            found = self._sum(federation, user, self._clock.time())
            found.bytes_in += came
            found.bytes_out += went
            self._soon()

    def forget(self, run: str) -> None:
        """A run was removed; what it used stays."""
        if self._counted.pop(run, None) is not None:
            self._runs.discard(run)
            self._registry.put("usage-run", run, None)

    # -- reading -----------------------------------------------------------------------------------------------

    def rows(self, month: str = "") -> Iterable[UsageRecord]:
        """The sums of a month, or of all."""
        return [self._sums[name] for name in sorted(self._sums) if month in ("", self._sums[name].month)]

    def hours(self, federation: str, user: str | None = None) -> float:
        """Node-hours in this month, of a federation or of one user there."""
        month = month_of(self._clock.time())
        mine = (s for s in self._sums.values() if (s.month, s.federation) == (month, federation))
        return sum(s.seconds for s in mine if user in (None, s.user)) / 3600

    # -- keeping -----------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Hand what has changed to the registry; all of it becomes durable together."""
        for name in self._changed:
            self._registry.put("usage", name, msgspec.structs.replace(self._sums[name]))
        for run in self._runs:
            self._registry.put("usage-run", run, Counted(self._counted[run]))
        self._changed, self._runs = set(), set()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _sum(self, federation: str, user: str, at: float) -> UsageRecord:
        month = month_of(at)
        name = f"{month}/{federation}/{user}"
        self._changed.add(name)
        if name not in self._sums:
            self._sums[name] = UsageRecord(month=month, federation=federation, user=user)
        return self._sums[name]

    def _soon(self) -> None:
        if self._timer is None:
            self._timer = self._clock.call_later(WRITTEN, self._write)

    def _write(self) -> None:
        self._timer = None
        self.flush()
        self._writing = asyncio.ensure_future(self._durable())

    async def _durable(self) -> None:
        try:
            await self._registry.durable()
        except Refusal:  # said by whoever waits; it is tried again with the next change
            self._soon()


def month_of(at: float) -> str:
    """The month of a moment, in UTC: 2026-11."""
    return time.strftime("%Y-%m", time.gmtime(at))
