"""Tidying up: after a start, learning what all runs name; then looking, again and again, for objects that nobody ever named.

Doesn't know what is removed; the marks do.
"""

from __future__ import annotations

import asyncio
import contextlib

from atoll.service.coordinator._books import Books, log
from atoll.service.coordinator._clock import Timer
from atoll.service.coordinator._sweeping import GRACE
from atoll.values import AtollError

SWEEP = 300.0  # seconds between two looks


class Tidying:
    """The work of one coordinator that nobody waits for."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._working: asyncio.Future[None] | None = None
        self._timer: Timer | None = None

    def start(self) -> None:
        """Begin to learn what is named."""
        self._working = asyncio.create_task(self._mark())

    async def close(self) -> None:
        """Stop, wherever it is."""
        self.abandon()
        if self._working is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._working

    def abandon(self) -> None:
        """Do no more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._working is not None:
            self._working.cancel()

    async def marked(self) -> None:
        """Return when it is known what all runs name."""
        if not self._books.marks.complete and self._working is not None:
            await asyncio.shield(self._working)

    async def sweep(self, grace: float = GRACE) -> int:
        """Remove objects that nobody names and nobody touched for so many seconds; returns how many."""
        await self._books.marks.clear()
        return await self._books.marks.sweep(grace)

    # -- inside --------------------------------------------------------------------------------------------------

    async def _mark(self) -> None:
        """Know what every run names; only then anything may be removed."""
        for summary in self._books.journal.runs():
            if summary.id not in self._books.runs:
                with contextlib.suppress(AtollError):
                    self._books.mark(summary.id)
            await asyncio.sleep(0)  # requests come first
        self._books.marks.complete = True
        self._books.collect()
        self._look_again()

    def _look_again(self) -> None:
        self._timer = self._books.clock.call_later(SWEEP, self._look)

    def _look(self) -> None:
        self._working = asyncio.ensure_future(self._swept())

    async def _swept(self) -> None:
        try:
            await self.sweep()
        except (AtollError, OSError) as error:
            log.warning("sweeping: %s", error)
        self._look_again()
