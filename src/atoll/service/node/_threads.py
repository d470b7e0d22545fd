"""Threads for what takes its time: started when needed, kept for a while with their connections, then ended.

Doesn't know what they do. None of them keeps the process alive.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

KEPT = 30.0  # seconds without anything to do
MOST = 64


class Threads:
    """Does things, each on some thread; errors go to `warn`."""

    def __init__(self, warn: Callable[[BaseException], None]) -> None:
        self._warn = warn
        self._todo: deque[Callable[[], None]] = deque()
        self._changed = threading.Condition()
        self._idle, self._count, self._closed = 0, 0, False

    def do(self, what: Callable[[], None]) -> None:
        """Have something done; returns at once."""
        with self._changed:
            if self._closed:
                return
            self._todo.append(what)
            if self._idle >= len(self._todo) or self._count >= MOST:
                self._changed.notify()
            else:
                self._count += 1
                threading.Thread(target=self._run, name="node", daemon=True).start()

    def close(self) -> None:
        """Begin nothing more."""
        with self._changed:
            self._closed = True
            self._todo.clear()
            self._changed.notify_all()

    def _run(self) -> None:
        while (what := self._next()) is not None:
            try:
                what()
            except Exception as error:  # the thread serves others after this
                if not self._closed:
                    self._warn(error)

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            self._idle += 1
            if not self._todo and not self._closed:
                self._changed.wait_for(lambda: self._todo or self._closed, KEPT)
            self._idle -= 1
            if self._todo:
                return self._todo.popleft()
            self._count -= 1
            return None
