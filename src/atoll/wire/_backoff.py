"""How long to wait before trying again: twice as long each time, with full jitter.

Doesn't know what is tried. Full jitter: https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter
"""

from __future__ import annotations

import random

FIRST, MOST = 0.1, 5.0  # seconds


class Backoff:
    """Waits that grow from a tenth of a second to five; `reset` after a success."""

    def __init__(self, chance: random.Random | None = None) -> None:
        self._chance = chance or random.Random()
        self._bound = FIRST

    def next(self, at_least: float = 0.0) -> float:
        """Seconds to wait now; `at_least` is what the other side asked for, of everybody at once."""
        bound, self._bound = self._bound, min(MOST, 2 * self._bound)
        return at_least + self._chance.uniform(0, bound)

    def reset(self) -> None:
        """Begin with short waits again."""
        self._bound = FIRST
