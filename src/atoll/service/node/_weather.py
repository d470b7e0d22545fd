"""Waiting for a coordinator that is away, or a disk that is full: longer each time, never in step with others.

Doesn't know what is tried again.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator

FIRST, LONGEST = 0.1, 10.0  # seconds


class Weather:
    """Shared by everything that waits: when it is fair again, all go on at once."""

    def __init__(self) -> None:
        self._changed, self._turns = threading.Condition(), 0
        self.closing = False

    def fair(self) -> None:
        """What was away is back: whoever waits tries now."""
        with self._changed:
            self._turns += 1
            self._changed.notify_all()

    def close(self) -> None:
        """All waiting ends for good."""
        with self._changed:
            self.closing = True
            self._changed.notify_all()

    def tries(self) -> Iterator[int]:
        """Numbers of tries, with a pause before each but the first; ends when the node does."""
        pause, number = FIRST, 0
        while not self.closing:
            yield number
            number += 1
            self._wait(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, LONGEST)

    def _wait(self, seconds: float) -> None:
        ends = time.monotonic() + seconds
        with self._changed:
            turn = self._turns
            while not self.closing and self._turns == turn and (left := ends - time.monotonic()) > 0:
                self._changed.wait(left)
