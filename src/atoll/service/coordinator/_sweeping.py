"""Garbage: which objects the bodies of all runs name, and what may go.

Doesn't know what a run is. What a body named and no body names any more goes at once; what nobody ever named, after a grace.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Iterable

from atoll.service.coordinator._clock import Clock
from atoll.service.coordinator._tenancy import Tenancy
from atoll.store import Store
from atoll.values import AtollError, failpoint, register

GRACE = 900.0  # seconds that an object may lie before something names it

_BEFORE = register("coordinator.before-sweep", "objects that nobody names are still there")
_AFTER = register("coordinator.after-sweep", "they are gone")


class Marks:
    """What is needed, by the bodies that name it; kept in memory."""

    def __init__(self, store: Store, clock: Clock, tenancy: Tenancy) -> None:
        self._store, self._clock, self._tenancy = store, clock, tenancy
        self._bodies: dict[tuple[str, str], tuple[str, ...]] = {}
        self._counts: Counter[str] = Counter()
        self._promised: dict[str, float] = {}  # somebody was told that it is here, and will name it
        self._condemned: set[str] = set()
        self._busy: asyncio.Future[None] | None = None
        self.complete = False  # all bodies are known: something may go

    @property
    def useless(self) -> bool:
        """Whether something was named, and isn't any more."""
        return self.complete and bool(self._condemned)

    def hold(self, run: str, key: str, objects: Iterable[str]) -> None:
        """A body names these."""
        named = tuple(objects)
        if (run, key) in self._bodies:
            return
        self._tenancy.named(run, objects)
        for digest in named:
            self._promised.pop(digest, None)
            self._counts[digest] += 1
        if named:
            self._bodies[run, key] = named

    def drop(self, run: str, keys: Iterable[str]) -> None:
        """Bodies are gone."""
        for key in keys:
            named = self._bodies.pop((run, key), ())
            self._tenancy.unnamed(run, named)
            for digest in named:
                self._counts[digest] -= 1
                if self._counts[digest] <= 0:
                    del self._counts[digest]
                    self._condemned.add(digest)

    def forget(self, run: str) -> None:
        """A run is gone with all its bodies."""
        self.drop(run, [key for owner, key in list(self._bodies) if owner == run])

    def promise(self, digests: Iterable[str]) -> None:
        """Somebody counts on these."""
        until = self._clock.monotonic() + GRACE
        self._promised.update(dict.fromkeys(digests, until))

    async def gate(self) -> None:
        """Wait while something is being removed: what is found here afterwards stays, if it is named or promised now."""
        while self._busy is not None:
            await asyncio.shield(self._busy)

    async def clear(self) -> int:
        """Remove what was named, and isn't any more."""
        if not self.complete or not self._condemned:
            return 0
        async with self._alone():
            now = self._clock.monotonic()
            useless = {
                d for d in self._condemned if d not in self._counts and self._promised.get(d, 0) <= now
            }
            self._condemned = {d for d in self._condemned - useless if d not in self._counts}
            await asyncio.to_thread(self._remove, useless)
            self._tenancy.gone(useless)
        return len(useless)

    async def sweep(self, grace: float = GRACE) -> int:
        """Remove what nobody names and nobody touched for so many seconds."""
        if not self.complete:
            return 0
        async with self._alone():
            now = self._clock.monotonic()
            self._promised = {d: until for d, until in self._promised.items() if until > now}
            keep = self._counts.keys() | self._promised.keys()
            gone = await asyncio.to_thread(self._sweep, keep, grace)
            self._tenancy.gone(gone)
        return len(gone)

    def _remove(self, digests: set[str]) -> None:
        failpoint(_BEFORE)
        for digest in digests:
            with contextlib.suppress(AtollError):
                self._store.remove(digest)
        failpoint(_AFTER)

    def _sweep(self, keep: set[str], grace: float) -> set[str]:
        failpoint(_BEFORE)
        gone = self._store.sweep(keep, grace)
        failpoint(_AFTER)
        return gone

    @contextlib.asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        await self.gate()
        busy = self._busy = asyncio.get_running_loop().create_future()
        try:
            yield
        finally:
            self._busy = None
            busy.set_result(None)
