"""CenteredClipping: what each node changes is shortened to a radius before it is averaged, again and again around the result.

Doesn't know how many replies are hostile; each can pull no farther than the radius.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self, final

import numpy as np

from atoll.algorithms._collects import Collects
from atoll.algorithms._distances import Point
from atoll.algorithms._stack import Stack
from atoll.values import Array, Arrays, ConfigError


@final
@dataclass(frozen=True)
class CenteredClipping(Collects):
    """v <- v + 1/n sum_i (x_i - v) min(1, radius / |x_i - v|), `iterations` times.

    Karimireddy et al. 2020, arXiv:2012.10333, algorithm 2. v begins at what the nodes were given: in a round that replies
    with models, no update, and not the last round's, as in the paper, which clips momenta. `radius` is in units of the model,
    of the length of an update over all floats. Integers are the coordinate-wise median. Memory: see `Collects`, and one model
    in float32 or wider; time: two passes over all replies an iteration. Raises `ConfigError` (`algorithm.invalid`).
    """

    radius: float
    iterations: int = 3

    def __post_init__(self) -> None:
        if not 0 < self.radius < math.inf or self.iterations < 1:
            raise ConfigError(
                "algorithm.invalid",
                f"CenteredClipping takes a radius over 0 and iterations >= 1, not {self.radius} and {self.iterations}",
            )

    @property
    def least(self) -> int:
        return 1

    def spared(self, lost: int) -> Self:
        return self

    def of(self, stack: Stack, around: Arrays) -> Arrays:
        place = Point(stack, around)
        for _ in range(self.iterations):
            place.pull(clipped(place.distances(), self.radius) / stack.count)
        return place.arrays()


def clipped(distances: Array, radius: float) -> Array:
    """min(1, radius / distance); what is infinitely far has no pull."""
    return np.asarray(radius / np.maximum(distances, radius))
