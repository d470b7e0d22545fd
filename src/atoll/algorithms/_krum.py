"""Krum: the one reply that has the closest neighbours.

Doesn't know which replies are hostile; it believes that those which agree are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from atoll.algorithms._collects import Tolerant
from atoll.algorithms._distances import between
from atoll.algorithms._stack import Middle, Stack, mean
from atoll.values import Array, Arrays


@final
@dataclass(frozen=True, kw_only=True)
class Krum(Tolerant):
    """The reply for which the sum of squared distances to its n - f - 2 nearest is the smallest; for n >= 2 f + 3.

    Blanchard et al. 2017, arXiv:1703.02757, section 4; of equals the first. Distances are those of all floats together;
    integers are the median of all replies, since the length of a counter means nothing. Memory: see `Collects`;
    time: O(n^2) passes over a model. Raises `ConfigError` (`algorithm.invalid`, `rule.too-few`).
    """

    @property
    def least(self) -> int:
        return 2 * self.f + 3

    def of(self, stack: Stack, around: Arrays) -> Arrays:
        return average(stack, best(scores(between(stack), self.f), 1))


def scores(distances: Array, f: int) -> Array:
    """Krum's score of each: the sum of squared distances to the n - f - 2 nearest others (to one at least)."""
    others = distances.copy()
    np.fill_diagonal(others, np.inf)
    neighbours = max(1, len(others) - f - 2)
    return np.asarray(np.sort(others, axis=1)[:, :neighbours].sum(axis=1))


def best(scores: Array, count: int) -> list[int]:
    """The members with the lowest scores, in their own order; of equals the first."""
    return sorted(np.argsort(scores, kind="stable")[:count].tolist())


def average(stack: Stack, chosen: Sequence[int]) -> Arrays:
    """The mean of some members; of integers the median of all."""
    return stack.made(lambda rows: mean(rows, chosen), Middle())
