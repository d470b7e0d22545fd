"""CoordinateMedian: each number is the median of what the nodes say it is.

Doesn't know how many are hostile; half of them is too many.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self, final

from atoll.algorithms._collects import Collects
from atoll.algorithms._stack import Middle, Stack
from atoll.values import Arrays


@final
@dataclass(frozen=True)
class CoordinateMedian(Collects):
    """The coordinate-wise median; of two in the middle, their mean (integers: to the nearest, ties to even).

    Yin et al. 2018, arXiv:1803.01498, definition 1. It holds while fewer than half of the replies are hostile. Complex
    numbers part by part. Memory: see `Collects`; time: a sorting network, O(log^2 n) minima and maxima a reply.
    """

    @property
    def least(self) -> int:
        return 1

    def spared(self, lost: int) -> Self:
        return self

    def of(self, stack: Stack, around: Arrays) -> Arrays:
        return stack.made(Middle())
