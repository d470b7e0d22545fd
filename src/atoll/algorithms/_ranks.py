"""Finding the r-th smallest of values that are never seen: only how many of them are below a threshold is told.

Doesn't know who counts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from atoll.algorithms._survey_results import Quantiles
from atoll.values import Array


@dataclass(slots=True)
class Bracket:
    """The `rank`-th smallest value (from 1) is above `low` and at most `high`; closed when that is near enough."""

    rank: int
    low: float
    high: float
    wide: float  # no further than this need be told apart

    @classmethod
    def around(cls, rank: int, count: int, minimum: float, maximum: float, tolerance: float) -> Bracket:
        """Before anything is asked. The smallest and the largest value are known."""
        below = math.nextafter(minimum, -math.inf)
        wide = 2 * tolerance * (maximum / 2 - minimum / 2) * 2
        if rank == 1:
            return cls(rank, below, minimum, wide)
        if rank == count:
            return cls(rank, math.nextafter(maximum, -math.inf), maximum, wide)
        return cls(rank, below, maximum, wide)

    @property
    def exact(self) -> bool:
        """No number lies between: it is `high`."""
        return math.nextafter(self.low, math.inf) >= self.high

    @property
    def closed(self) -> bool:
        return self.exact or self.high / 2 - self.low / 2 <= self.wide / 2

    @property
    def value(self) -> float:
        return self.high if self.exact else self.low / 2 + self.high / 2

    @property
    def error(self) -> float:
        return 0.0 if self.exact else self.high / 2 - self.low / 2

    def inside(self, bins: int) -> Array:
        """Thresholds that cut it into so many parts; at least one, since it isn't exact.

        When the last bit is asked for, half of them are even in bits: near 0 even steps would halve the gap a thousand times.
        """
        steps = bins if self.wide else max(2, bins // 2)
        parts = np.arange(1, steps) / steps
        cuts = self.low * (1 - parts) + self.high * parts
        if not self.wide:
            low, high = _key(self.low), _key(self.high)
            even = [_number(low + (high - low) * part // steps) for part in range(1, steps)]
            cuts = np.append(cuts, even)
        cuts = cuts[(cuts > self.low) & (cuts < self.high)]
        return cuts if cuts.size else np.array([math.nextafter(self.low, math.inf)])

    def narrow(self, thresholds: Array, ranks: Array) -> None:
        """Take in how many values are below each threshold, and how many not above it, shape (2, thresholds)."""
        for cut, below, upto in zip(thresholds.tolist(), *ranks.tolist(), strict=True):
            if upto < self.rank:
                self.low = max(self.low, cut)
            elif below < self.rank:  # it is the threshold itself
                self.low, self.high = math.nextafter(cut, -math.inf), cut
                return
            else:
                self.high = min(self.high, math.nextafter(cut, -math.inf))
                return


def _key(number: float) -> int:
    """Whole numbers in the order of the floats, one for each."""
    bits: int = np.float64(number).view(np.int64).item()
    return bits if bits >= 0 else -(1 << 63) - bits


def _number(key: int) -> float:
    """The float of a key."""
    return float(np.int64(key if key >= 0 else -(1 << 63) - key).view(np.float64))


def needed(at: Array, count: int) -> list[int]:
    """The ranks, from 1, between which the quantiles lie."""
    lower, _ = _places(at, count)
    return sorted({*(lower + 1).tolist(), *np.minimum(lower + 2, count).tolist()})


def interpolated(at: Array, count: int, found: Mapping[int, Bracket]) -> Quantiles:
    """The quantiles between the values of those ranks."""
    lower, parts = _places(at, count)
    ends = [[found[rank] for rank in np.minimum(lower + step, count).tolist()] for step in (1, 2)]
    low, high = (np.array([b.value for b in brackets]) for brackets in ends)
    errors = np.max([[b.error for b in brackets] for brackets in ends], axis=0)
    values = np.where(parts < 0.5, low + (high - low) * parts, high - (high - low) * (1 - parts))
    return Quantiles(at, values, errors)


def _places(at: Array, count: int) -> tuple[Array, Array]:
    """Hyndman and Fan's definition 7: the quantile p is at 1 + (n - 1) p; the rank before it, from 0, and the part beyond."""
    place = (count - 1) * at
    lower = np.floor(place).astype(np.int64)
    return lower, place - lower
