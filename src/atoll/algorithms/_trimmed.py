"""TrimmedMean: each number is the mean of what the nodes say, without the greatest and the smallest.

Doesn't know which of them are hostile; they may be others for each number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from atoll.algorithms._collects import Tolerant
from atoll.algorithms._network import InOrder
from atoll.algorithms._stack import Stack, mean
from atoll.values import Array, Arrays


@final
@dataclass(frozen=True, kw_only=True)
class TrimmedMean(Tolerant):
    """The coordinate-wise mean of what is left without the `f` smallest and the `f` greatest; for more than 2 f replies.

    Yin et al. 2018, arXiv:1803.01498, definition 2. Integers are averaged in float64 and rounded, ties to even; complex
    numbers part by part. Memory: see `Collects`. Raises `ConfigError` (`algorithm.invalid`, `rule.too-few`).
    """

    @property
    def least(self) -> int:
        return 2 * self.f + 1

    def of(self, stack: Stack, around: Arrays) -> Arrays:
        kept = InOrder(lambda count: range(self.f, count - self.f))

        def trimmed(rows: Sequence[Array]) -> Array:
            return mean(kept(rows), range(len(rows) - 2 * self.f))

        return stack.made(trimmed)
