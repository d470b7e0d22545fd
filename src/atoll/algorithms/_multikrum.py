"""MultiKrum: the mean of the replies that have the closest neighbours.

Doesn't know which replies are hostile; it believes that those which agree are not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from atoll.algorithms._collects import Tolerant
from atoll.algorithms._distances import between
from atoll.algorithms._krum import average, best, scores
from atoll.algorithms._stack import Stack
from atoll.values import Arrays, ConfigError


@final
@dataclass(frozen=True, kw_only=True)
class MultiKrum(Tolerant):
    """The mean of the `m` replies with the best scores of `Krum`: n - f unless told otherwise; for n >= 2 f + 3, m <= n - f.

    Blanchard et al. 2017, arXiv:1703.02757, section 4 and, for m = n - f, section 5. Integers, memory and time as for `Krum`.
    Raises `ConfigError` (`algorithm.invalid`, `rule.too-few`).
    """

    m: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.m is not None and (type(self.m) is not int or self.m < 1):
            raise ConfigError("algorithm.invalid", f"MultiKrum takes m >= 1, a whole number, not {self.m!r}")

    @property
    def least(self) -> int:
        return max(2 * self.f + 3, self.f + (self.m or 0))

    def of(self, stack: Stack, around: Arrays) -> Arrays:
        return average(stack, best(scores(between(stack), self.f), self.m or stack.count - self.f))
