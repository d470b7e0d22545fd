"""Virtual time: what a simulated fleet's outcomes take, without anybody waiting for it.

Doesn't know what takes how long. A fleet that works in real time has none of this.
"""

from __future__ import annotations

import msgspec


class Timing(msgspec.Struct, frozen=True, gc=False):
    """When a call was asked, and when its outcome came: virtual seconds since the run began."""

    asked: float
    at: float

    @property
    def seconds(self) -> float:
        """From asking to the answer."""
        return self.at - self.asked


class Clock:
    """Virtual seconds since the run began. They pass as outcomes come, and never go back."""

    def __init__(self, now: float = 0.0) -> None:
        self._now = now

    @property
    def now(self) -> float:
        """The virtual second that it is."""
        return self._now

    def reach(self, at: float | None) -> None:
        """It is this late at least; None tells nothing."""
        if at is not None and at > self._now:
            self._now = at
