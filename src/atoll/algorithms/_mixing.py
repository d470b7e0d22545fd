"""NearestNeighborMixing: a rule that sees, in place of each reply, the mean of those nearest to it.

Doesn't know which rule.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self, final

import numpy as np

from atoll.algorithms._collects import Collects, Tolerant
from atoll.algorithms._distances import between
from atoll.algorithms._stack import Stack
from atoll.values import Arrays, ConfigError


@final
@dataclass(frozen=True)
class NearestNeighborMixing(Tolerant):
    """`rule` over y_i, the mean of the n - f replies nearest to x_i (itself among them); for n > 2 f, and what `rule` needs.

    Allouah et al. 2023, arXiv:2302.01772, algorithm 2: with it, a rule is as good as any can be where data differ from node to
    node. Of equally near the first are taken; distances as for `Krum`; integers are not mixed, since nearness says nothing of them. Memory: see `Collects`, the means are made block by
    block; time: O(n^2) passes over a model, and O(n^2) more for each pass of the rule.
    Raises `ConfigError` (`algorithm.invalid`, `rule.too-few`).
    """

    rule: Collects

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.rule, Collects):
            raise ConfigError(
                "algorithm.invalid",
                f"NearestNeighborMixing takes a rule over all replies, not {self.rule}",
                "NearestNeighborMixing(CoordinateMedian(), f=2)",
            )

    @property
    def least(self) -> int:
        return max(2 * self.f + 1, self.rule.least)

    def spared(self, lost: int) -> Self:
        return replace(self, f=max(0, self.f - lost), rule=self.rule.spared(lost))

    def of(self, stack: Stack, around: Arrays) -> Arrays:
        near = np.argsort(between(stack), axis=1, kind="stable")[:, : stack.count - self.f]
        return self.rule.of(stack.grouped(np.sort(near, axis=1).tolist(), integers=False), around)
