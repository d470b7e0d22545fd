"""Bulyan: Krum chooses whom to listen to, and each number is the mean of what most of them nearly agree on.

Doesn't know which replies are hostile; it leaves them no single number to hide a large error in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from atoll.algorithms._collects import Tolerant
from atoll.algorithms._distances import between
from atoll.algorithms._krum import best, scores
from atoll.algorithms._network import InOrder
from atoll.algorithms._stack import Middle, Stack, mean
from atoll.values import Array, Arrays


@final
@dataclass(frozen=True, kw_only=True)
class Bulyan(Tolerant):
    """Krum takes one reply after another until there are n - 2 f; each number is the mean of the n - 4 f of them that are
    closest to their median; for n >= 4 f + 3.

    El Mhamdi et al. 2018, arXiv:1802.07927, section 4. Towards the end Krum chooses among so few that it has no neighbour
    left to look at; it always looks at one. Of windows equally close to the median the lower is taken. Integers, memory and
    time as for `Krum`. Raises `ConfigError` (`algorithm.invalid`, `rule.too-few`).
    """

    @property
    def least(self) -> int:
        return 4 * self.f + 3

    def of(self, stack: Stack, around: Arrays) -> Arrays:
        chosen = chosen_by_krum(between(stack), self.f)
        ranked = InOrder(range)

        def agreed(rows: Sequence[Array]) -> Array:
            return closest_to_median(ranked([rows[i] for i in chosen]), len(chosen) - 2 * self.f)

        return stack.made(agreed, Middle())


def chosen_by_krum(distances: Array, f: int) -> list[int]:
    """The n - 2 f members that Krum chooses one after another, each from those that are left; in their own order."""
    left = list(range(len(distances)))
    chosen: list[int] = []
    while len(chosen) < len(distances) - 2 * f:
        [first] = best(scores(distances[np.ix_(left, left)], f), 1)
        chosen.append(left.pop(first))
    return sorted(chosen)


def closest_to_median(ranked: Sequence[Array], count: int) -> Array:
    """The element-wise mean of the `count` values that are closest to the median: in order they stand side by side."""
    median = ranked[(len(ranked) - 1) // 2] * 0.5 + ranked[len(ranked) // 2] * 0.5
    found, reach = mean(ranked, range(count)), _reach(ranked, median, 0, count)
    for start in range(1, len(ranked) - count + 1):
        other = _reach(ranked, median, start, count)
        found = np.where(other < reach, mean(ranked, range(start, start + count)), found)
        reach = np.minimum(reach, other)
    return found


def _reach(ranked: Sequence[Array], median: Array, start: int, count: int) -> Array:
    """How far the farthest of a window is from the median."""
    reach: Array = np.maximum(median - ranked[start], ranked[start + count - 1] - median)
    return reach
