"""`SizeSkew`: some nodes have many rows and some have few, of whatever kind.

Doesn't know what is in the rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atoll.data._dirichlet import deal, fill
from atoll.data._partition import by_node, check_enough, check_minimum
from atoll.data._random import Floats, Stream, exp, log, log_dirichlet, normal
from atoll.data._subset import Dataset, IndexArray
from atoll.values import DataError, suggestion

LAWS = ("dirichlet", "lognormal", "power")


@dataclass(frozen=True)
class SizeSkew:
    """Nodes of unequal sizes, each a random sample of the whole; at `spread` 0 they are equal, whichever the `law`.

    - `"lognormal"`: sizes are proportional to exp(spread * z), z standard normal
    - `"power"`: the k-th node's size is proportional to k ** -spread, the first node the largest: no chance in it
    - `"dirichlet"`: sizes are one draw from Dirichlet(1 / spread) over the nodes (Li et al., arXiv:2102.02079,
      "quantity skew", whose beta is 1 / spread)

    The proportions belong to (seed, nodes), not to the data set: of several, dealt together, a node has the same
    part. Each node has at least `minimum` rows, taken of the largest.

    Raises DataError: an unknown `law`, a `spread` outside of 0 to 100, a negative `minimum`; fewer than
    nodes * minimum rows.
    """

    law: str = "lognormal"
    spread: float = 1.0
    minimum: int = 1

    def __post_init__(self) -> None:
        if self.law not in LAWS:
            raise DataError(
                "data.unknown-law",
                f"there is no law {self.law!r} of sizes; there are {', '.join(LAWS)}",
                suggestion(str(self.law), LAWS, what="laws"),
            )
        if not 0.0 <= self.spread <= 100.0:  # also refuses NaN
            raise DataError(
                "data.bad-spread",
                f"spread = {self.spread}: sizes are spread by a number from 0 to 100",
                "take 0 for equal sizes, 1 for a few large nodes among many",
            )
        check_minimum(self.minimum)

    def indices(self, dataset: Dataset, nodes: int, seed: int) -> list[IndexArray]:
        rows = len(dataset)
        check_enough(rows, nodes, minimum=self.minimum)
        if not rows:
            return [np.empty(0, np.intp) for _ in range(nodes)]
        proportions = self._proportions(nodes, seed)[None, :]
        shares = deal(proportions, np.asarray([rows]))
        fill(shares, proportions, self.minimum)
        owners = np.empty(rows, np.intp)
        owners[Stream(seed, "sizes", "rows").permutation(rows)] = np.repeat(np.arange(nodes), shares[0])
        return by_node(owners, nodes)

    def names(self, dataset: Dataset, nodes: int) -> None:
        return None

    def _proportions(self, nodes: int, seed: int) -> Floats:
        """Logarithms of each node's part of the rows, shape (nodes,)."""
        stream = Stream(seed, "sizes", self.law)
        if self.spread == 0.0:
            sizes = np.zeros(nodes)
        elif self.law == "dirichlet":
            sizes = log_dirichlet([stream], 1.0 / max(self.spread, 1e-9), nodes)[0]
        elif self.law == "lognormal":
            sizes = self.spread * normal(stream, nodes)
        else:
            sizes = -self.spread * log(np.arange(1.0, nodes + 1.0))
        sizes = sizes - sizes.max()
        return np.asarray(sizes) - log(np.add.accumulate(exp(sizes))[-1:])  # in order: numpy may sum in any
