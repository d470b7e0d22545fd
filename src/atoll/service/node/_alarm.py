"""One thread that does things at their time: deadlines, workers that have been idle for long.

Doesn't know what it does. Without anything to do it waits without waking up.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable


class Timer:
    """Something to be done later, unless it is cancelled."""

    __slots__ = ("do",)

    def __init__(self, do: Callable[[], None]) -> None:
        self.do: Callable[[], None] | None = do

    def cancel(self) -> None:
        """Don't; and let go of what it would have been done with."""
        self.do = None


class Alarm:
    """Things to do later; each must be quick. Errors go to `warn`."""

    def __init__(self, warn: Callable[[BaseException], None]) -> None:
        self._warn = warn
        self._due: list[tuple[float, int, Timer]] = []
        self._count, self._changed, self._closed = itertools.count(), threading.Condition(), False
        threading.Thread(target=self._run, name="alarm", daemon=True).start()

    def after(self, seconds: float, do: Callable[[], None]) -> Timer:
        """Do something so many seconds from now."""
        timer = Timer(do)
        entry = (time.monotonic() + seconds, next(self._count), timer)
        with self._changed:
            heapq.heappush(self._due, entry)
            if self._due[0] is entry:
                self._changed.notify()
        return timer

    def close(self) -> None:
        """Do nothing more."""
        with self._changed:
            self._closed = True
            self._due.clear()
            self._changed.notify()

    def _run(self) -> None:
        while (timer := self._next()) is not None:
            if (do := timer.do) is not None:
                try:
                    do()
                except Exception as error:  # other timers go on
                    self._warn(error)

    def _next(self) -> Timer | None:
        with self._changed:
            while not self._closed:
                left = self._due[0][0] - time.monotonic() if self._due else None
                if left is not None and left <= 0:
                    return heapq.heappop(self._due)[2]
                self._changed.wait(left)
        return None
