"""GeometricMedian: the place from which the sum of the ways to all replies is the shortest.

Doesn't know how many replies are hostile; half of the weight is too much.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self, final

import numpy as np

from atoll.algorithms._collects import Collects
from atoll.algorithms._distances import Point
from atoll.algorithms._stack import Stack
from atoll.values import Arrays, ConfigError


@final
@dataclass(frozen=True, kw_only=True)
class GeometricMedian(Collects):
    """RFA: the geometric median by the smoothed Weiszfeld algorithm, z <- sum_i b_i x_i / sum_i b_i, b_i = a_i / max(nu, |z - x_i|).

    Pillutla et al. 2019, arXiv:1912.13445, algorithm 2. It begins at what the nodes were given, so that one reply far away
    doesn't cost steps; it ends after `iterations`, or when the sum of ways changes by less than `tolerance` of itself.
    `smoothing` is nu, in units of the model. Every reply counts alike; with `weighted`, a_i is its weight, and a hostile node
    that claims to have most of the data has its will. Integers are the coordinate-wise median. Memory: see `Collects`, and one
    model in float32 or wider; time: two passes over all replies an iteration. Raises `ConfigError` (`algorithm.invalid`).
    """

    iterations: int = 16
    smoothing: float = 1e-6
    tolerance: float = 1e-6
    weighted: bool = False

    def __post_init__(self) -> None:
        if self.iterations < 1 or not 0 < self.smoothing < math.inf or not 0 <= self.tolerance < math.inf:
            raise ConfigError(
                "algorithm.invalid",
                f"iterations are 1 or more, smoothing is over 0, tolerance 0 or more: not {self}",
            )

    @property
    def least(self) -> int:
        return 1

    def spared(self, lost: int) -> Self:
        return self

    def of(self, stack: Stack, around: Arrays) -> Arrays:
        alike = np.full(stack.count, 1 / stack.count)
        shares = stack.shares if self.weighted else alike
        place, before = Point(stack, around), math.inf
        for _ in range(self.iterations):
            ways = place.distances()
            pull = shares / np.maximum(self.smoothing, ways)  # infinitely far: no pull
            if not pull.any():
                break
            place.pull(pull / pull.sum())
            total = float(shares @ ways)
            if abs(before - total) <= self.tolerance * total:
                break
            before = total
        return place.arrays()
