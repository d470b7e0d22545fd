"""The schedule: whom to ask, how many answers to wait for, and how long.

Doesn't know what is asked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from atoll.values import ConfigError, derive_seed


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Whom to ask and when to go on; the same in every fleet.

    - `fraction` of the nodes (0 to 1), or their `count`; all of them by default
    - `minimum`: with fewer good replies the round fails (`TooFewReplies`)
    - `quorum`: go on at so many good replies (a whole number), or such a part of those wanted (a float up to 1)
    - `deadline`: seconds from asking a node until its answer must be there; in simulation from when a worker begins,
      or in virtual seconds when it has a clock
    - `over`: ask this much more than wanted, and go on at the wanted number; 0.3 asks 13 to get 10
      (over-selection: Bonawitz et al. 2019, arXiv:1902.01046)

    Raises `ConfigError` (`schedule.invalid`).
    """

    fraction: float | None = None
    count: int | None = None
    minimum: int = 1
    quorum: int | float | None = None
    deadline: float | None = None
    over: float = 0.0

    def __post_init__(self) -> None:
        wrong = None
        if self.fraction is not None and self.count is not None:
            wrong = "a schedule takes a fraction or a count, not both"
        elif self.fraction is not None and not 0 < self.fraction <= 1:
            wrong = f"fraction is over 0 and at most 1, not {self.fraction}"
        elif self.count is not None and self.count < 1:
            wrong = f"count is at least 1, not {self.count}"
        elif self.minimum < 0:
            wrong = f"minimum is not negative, not {self.minimum}"
        elif self.quorum is not None and not (
            0 < self.quorum <= 1 if isinstance(self.quorum, float) else self.quorum >= 1
        ):
            wrong = f"quorum is a whole number from 1, or a part over 0 and at most 1.0, not {self.quorum}"
        elif self.deadline is not None and not 0 < self.deadline < math.inf:
            wrong = f"deadline is a number of seconds over 0, not {self.deadline}"
        elif not 0 <= self.over <= 10:
            wrong = f"over is from 0 to 10, not {self.over}"
        if wrong:
            raise ConfigError("schedule.invalid", wrong, "see atoll.Schedule")

    def wanted(self, available: int) -> int:
        """How many good replies are wanted from so many nodes."""
        if self.count is not None:
            return min(self.count, available)
        return (
            min(available, max(1, math.ceil(available * self.fraction - 1e-9)))
            if self.fraction
            else available
        )

    def cohort(self, nodes: Sequence[str], seed: int, *place: int | str) -> list[str]:
        """The nodes to ask, in the order of `nodes`; the same for the same seed and place.

        Raises `ConfigError` (`schedule.too-few-nodes`) when there are fewer nodes than `minimum` or `count`.
        """
        needed = max(self.minimum, self.count or 0)
        if len(nodes) < needed:
            mend = "lower the schedule's count or minimum, or add nodes (`--nodes` in simulation)"
            raise ConfigError(
                "schedule.too-few-nodes", f"the schedule needs {needed} nodes, there are {len(nodes)}", mend
            )
        asked = min(
            len(nodes), max(self.minimum, math.ceil(self.wanted(len(nodes)) * (1 + self.over) - 1e-9))
        )
        if asked == len(nodes):
            return list(nodes)
        return [nodes[i] for i in sample(len(nodes), asked, derive_seed(seed, *place, "cohort"))]

    def enough(self, cohort: int, available: int) -> int:
        """The number of good replies at which to go on."""
        target = min(cohort, max(self.minimum, self.wanted(available)))
        if isinstance(self.quorum, float):
            target = max(1, math.ceil(target * self.quorum - 1e-9))
        elif self.quorum is not None:
            target = min(target, self.quorum)
        return max(target, min(cohort, self.minimum))


def sample(population: int, size: int, seed: int) -> list[int]:
    """`size` different numbers below `population`, in order."""
    from numpy.random import Generator, Philox

    drawn = Generator(Philox(key=seed)).permutation(population)[:size].tolist()
    return sorted(drawn)
