"""When a node is there: spans of time, once or again and again, and how long work takes in them.

Doesn't know what the work is. Away, a node stands still; what it was doing goes on when it is back.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from atoll.values import ConfigError


@dataclass(frozen=True, slots=True)
class Windows:
    """Spans [from, to) in seconds, in order, apart; with a `period` they come again every so many seconds."""

    spans: tuple[tuple[float, float], ...]
    period: float | None = None
    shift: float = 0.0

    def ends(self, begin: float, seconds: float) -> float:
        """The moment at which so many seconds of being there have passed since `begin`; infinite when they never will."""
        if self.period is None:
            return _spent(self.spans, begin, seconds)[0]
        at = begin + self.shift
        cycle = math.floor(at / self.period)
        end, left = self._within(cycle, at, seconds)
        if end == math.inf:
            there = sum(b - a for a, b in self.spans)
            whole = max(0, math.ceil(left / there) - 1)  # so that something is left for the last one
            cycle, left = cycle + 1 + whole, left - whole * there
            end, left = self._within(cycle, cycle * self.period, left)
            if end == math.inf:  # rounding left a crumb
                end, _ = self._within(cycle + 1, (cycle + 1) * self.period, max(0.0, left))
        return max(begin, end - self.shift)

    @property
    def last(self) -> float:
        """When it is there for the last time."""
        return math.inf if self.period is not None else self.spans[-1][1]

    def _within(self, cycle: int, at: float, seconds: float) -> tuple[float, float]:
        base = cycle * (self.period or 0.0)
        return _spent(((base + a, base + b) for a, b in self.spans), at, seconds)


def parse_windows(spans: object, period: object, where: str) -> Windows:
    """Windows of a list of [from, to] and, if they repeat, the seconds until they do.

    Raises `ConfigError` (`clock.invalid`) when they overlap, are empty, or reach over the period.
    """
    found = _spans(spans, where)
    if period is None:
        return Windows(found)
    if isinstance(period, bool) or not isinstance(period, int | float) or not 0 < period < math.inf:
        raise ConfigError(
            "clock.invalid",
            f"{where}: repeat is a number of seconds over 0, not {period!r:.80}",
            "repeat = 86400",
        )
    if found[-1][1] > period:
        message = f"{where}: a window ends at {found[-1][1]:g}, after all repeat at {period:g}"
        raise ConfigError("clock.invalid", message, "let it end before, or repeat later")
    return Windows(found, float(period))


def _spans(spans: object, where: str) -> tuple[tuple[float, float], ...]:
    mend = "available = [[0, 28800], [64800, 86400]]"
    if not isinstance(spans, Sequence) or isinstance(spans, str) or not spans:
        raise ConfigError(
            "clock.invalid", f"{where}: available is a list of [from, to], not {spans!r:.80}", mend
        )
    found: list[tuple[float, float]] = []
    for span in spans:
        pair = list(span) if isinstance(span, Sequence) and not isinstance(span, str) else []
        good = len(pair) == 2 and all(isinstance(v, int | float) and not isinstance(v, bool) for v in pair)
        if not good or not max(0.0, found[-1][1] if found else 0.0) <= pair[0] < pair[1] < math.inf:
            message = f"{where}: {span!r:.80} is no [from, to] in seconds, in order and apart"
            raise ConfigError("clock.invalid", message, mend)
        found.append((float(pair[0]), float(pair[1])))
    return tuple(found)


def _spent(spans: Iterable[tuple[float, float]], at: float, seconds: float) -> tuple[float, float]:
    """The end of so many seconds within the spans, and 0; or infinity, and what is left of them."""
    for begin, end in spans:
        if end <= at:
            continue
        start = max(begin, at)
        if seconds <= end - start:
            return start + seconds, 0.0
        seconds -= end - start
    return math.inf, seconds
