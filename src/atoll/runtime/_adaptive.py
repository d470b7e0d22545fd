"""One process for small work, a pool for more: begins here, and moves when there turns out to be much to do.

Doesn't know what the work is. Where a call is performed never changes its result.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from atoll.app import Call, Outcome
from atoll.runtime._inprocess import InProcess
from atoll.runtime._pool import Pool
from atoll.values import RunError

PATIENCE = 2.0  # seconds of work in this process before a pool is started


class Adaptive:
    """An in-process executor that is replaced by a pool after two seconds of work."""

    def __init__(self, here: InProcess, pool: Callable[[], Pool], *, log: Callable[[str, str], None]) -> None:
        self._here, self._start_pool, self._log = here, pool, log
        self._pool: Pool | None = None
        self._moved = False
        self._spent = 0.0
        self._calls_here: set[int] = set()

    @property
    def capacity(self) -> int:
        return self._pool.capacity if self._pool is not None and self._moved else self._here.capacity

    def start(self, call: Call) -> None:
        if self._moved and self._pool is not None:
            self._pool.start(call)
        else:
            self._calls_here.add(call.id)
            self._here.start(call)

    def wait(self) -> list[Outcome]:
        if not self._calls_here and self._pool is not None:
            return self._pool.wait()
        begun = time.monotonic()
        outcomes = self._here.wait()
        self._calls_here.difference_update(o.id for o in outcomes)
        self._spent += time.monotonic() - begun
        self._consider()
        return outcomes

    def cancel(self, ids: Iterable[int]) -> set[int]:
        unwanted = set(ids)
        forgotten = self._here.cancel(unwanted)
        self._calls_here -= forgotten
        return forgotten | (self._pool.cancel(unwanted) if self._pool is not None else set())

    def close(self) -> None:
        self._here.close()
        if self._pool is not None:
            self._pool.close()

    def _consider(self) -> None:
        """Start a pool when there is much to do; move to it when it is ready."""
        if self._moved or self._spent < PATIENCE:
            return
        try:
            if self._pool is None:
                self._pool = self._start_pool()
            self._moved = self._pool.ready
        except RunError as error:
            self._log("warning", f"staying in one process: {error.message}")
            if self._pool is not None:
                self._pool.close()
                self._pool = None
            self._spent = float("-inf")
