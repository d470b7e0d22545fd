"""Bucketing: a rule that sees means of few replies, drawn by lot, in place of single ones.

Doesn't know which rule.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self, final

from numpy.random import Generator, Philox

from atoll.algorithms._collects import Collects
from atoll.algorithms._stack import Stack
from atoll.values import Arrays, ConfigError, derive_seed


@final
@dataclass(frozen=True)
class Bucketing(Collects):
    """`rule` over the means of buckets of `size` replies, put together by lot: where data differ much from node to node, honest
    replies look hostile to a robust rule, and their means less so.

    Karimireddy et al. 2020, arXiv:2006.09365, algorithm 1; the last bucket may hold fewer. A hostile reply spoils its bucket,
    so that `rule` has to bear as many hostile as before among n / size. The lot is drawn from `seed` (take `ctx.seed`) and
    what the nodes were given: it is another in each round, and the same when a round is done again. Memory: see `Collects`,
    the means are made block by block. Raises `ConfigError` (`algorithm.invalid`, `rule.too-few`).
    """

    rule: Collects
    size: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.rule, Collects) or self.size < 1:
            raise ConfigError(
                "algorithm.invalid",
                f"Bucketing takes a rule over all replies and a size >= 1, not {self.rule} and {self.size}",
                "Bucketing(CoordinateMedian(), size=2)",
            )

    @property
    def least(self) -> int:
        return self.size * (self.rule.least - 1) + 1

    def spared(self, lost: int) -> Self:
        return replace(self, rule=self.rule.spared(lost))

    def of(self, stack: Stack, around: Arrays) -> Arrays:
        lot = Generator(Philox(key=derive_seed(self.seed, around.digest))).permutation(stack.count).tolist()
        buckets = [lot[at : at + self.size] for at in range(0, stack.count, self.size)]
        return self.rule.of(stack.grouped(buckets), around)
