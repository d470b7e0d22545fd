"""Lines of workers on their way to the coordinator: many in one request, soon, and never more than memory bears.

Doesn't know who wrote them.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from atoll.service.node._weather import Weather
from atoll.values import AtollError
from atoll.wire import Line

BATCH = 1000  # lines in one request
SOON = 0.1  # seconds that a line waits for others
MOST = 20_000  # lines kept while the coordinator is away


class LogLines:
    """Lines to send; those that there is no room for are counted."""

    def __init__(self, send: Callable[[list[Line]], None], weather: Weather) -> None:
        self._send, self._weather = send, weather
        self._waiting: deque[Line] = deque()
        self._lost: dict[str, int] = {}
        self._changed, self._sending = threading.Condition(), threading.Lock()
        self._closed = False
        threading.Thread(target=self._run, name="lines", daemon=True).start()

    def add(self, run: str, level: str, message: str, round: int | None) -> None:
        """Take a line; returns at once."""
        line = Line(run, level[:16], message[:4000], round)
        with self._changed:
            if len(self._waiting) >= MOST:
                self._lost[run] = self._lost.get(run, 0) + 1
                return
            self._waiting.append(line)
            if len(self._waiting) in (1, BATCH):
                self._changed.notify()

    def flush(self) -> bool:
        """Send what there is now, so that it comes before what is sent next. Whether all of it arrived."""
        while self._waiting:
            if not self._send_some():
                return False
        return True

    def close(self) -> None:
        """Send the rest, once, and no more."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self.flush()

    def _run(self) -> None:
        while self._gather():
            for _ in self._weather.tries():
                if self.flush():
                    break

    def _gather(self) -> bool:
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            if len(self._waiting) < BATCH and not self._closed:
                self._changed.wait(SOON)
            return not self._closed

    def _send_some(self) -> bool:
        with self._sending:
            batch = [self._waiting[i] for i in range(min(BATCH - 1, len(self._waiting)))]
            lost, self._lost = self._lost, {}
            told = [Line(run, "warning", f"{n:,} lines were dropped here", None) for run, n in lost.items()]
            try:
                if batch or told:
                    self._send([*batch, *told][:BATCH])
            except AtollError as error:
                if getattr(error, "status", 0) in (0, 409, 429, 502, 503):
                    self._lost = lost
                    return False
            for _ in batch:
                self._waiting.popleft()
            return True
