"""`Shards`: few classes a node, by cutting the sorted rows into pieces.

Doesn't know what the column means; any column will do whose values have an order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atoll.data._columns import about, classes_of, in_order
from atoll.data._dirichlet import Counts, by_shares, fill
from atoll.data._partition import by_node, check_enough, check_minimum
from atoll.data._random import Stream
from atoll.data._subset import Dataset, IndexArray
from atoll.values import DataError


@dataclass(frozen=True)
class Shards:
    """Pathological label skew: rows, sorted by `column`, are cut into shards; each node gets `per_node` at random.

    There are nodes * per_node shards of equal size, to within a row; so a node has rows of about `per_node` classes. With
    a column of numbers (an age) and `per_node=1`, each node has a range of its own. Several data sets that are
    dealt together are cut at the same places, as fractions of each class, so that a node has the same classes
    in all; each node has at least `minimum` rows of each, taken, where it lacks some, of the classes it has.

    McMahan et al., arXiv:1602.05629, section 3 ("pathological non-IID": 200 shards of 300 images, two for each
    of 100 clients).

    Raises DataError: `per_node` below 1, a negative `minimum`; fewer than nodes * max(per_node, minimum) rows;
    no such column, or one with missing values or with more than one value per row.
    """

    column: str = "label"
    per_node: int = 2
    minimum: int = 1

    def __post_init__(self) -> None:
        if self.per_node < 1:
            raise DataError(
                "data.bad-shards", f"per_node = {self.per_node} shards for a node", "take 1 or more"
            )
        check_minimum(self.minimum)

    def indices(self, dataset: Dataset, nodes: int, seed: int) -> list[IndexArray]:
        return self._cut(self._counted(dataset), nodes).indices(dataset, nodes, seed)

    def names(self, dataset: Dataset, nodes: int) -> None:
        return None

    def joint(self, datasets: Mapping[str, Dataset], nodes: int) -> _Cut:
        """The same cuts for all of these data sets."""
        rows: Counter[Any] = Counter()
        for name, dataset in datasets.items():
            with about(name):
                rows.update(self._counted(dataset))
        return self._cut(rows, nodes)

    def _counted(self, dataset: Dataset) -> Counter[Any]:
        values, codes = classes_of(dataset, self.column)
        return Counter(dict(zip(values.tolist(), np.bincount(codes).tolist(), strict=True)))

    def _cut(self, rows: Counter[Any], nodes: int) -> _Cut:
        check_enough(rows.total(), nodes, minimum=self.per_node)
        values = in_order(rows, self.column)
        return _Cut(
            self,
            {value: place for place, value in enumerate(values)},
            np.asarray([rows[v] for v in values], np.intp),
        )


@dataclass(frozen=True)
class _Cut:
    """Where the shards begin and end: a Shards partition that has seen its data."""

    rule: Shards
    places: Mapping[Any, int]  # of each value in their order
    rows: Counts  # of each value, in all data sets

    def indices(self, dataset: Dataset, nodes: int, seed: int) -> list[IndexArray]:
        rows = len(dataset)
        check_enough(rows, nodes, minimum=self.rule.minimum)
        values, codes = classes_of(dataset, self.rule.column)
        order = np.lexsort((Stream(seed, "shards", "rows").words(rows), codes))  # by value, at random within
        counts = np.bincount(codes, minlength=len(values))
        owners = np.empty(rows, np.intp)
        owners[order] = self._owner(nodes, seed)[self._shards(values, counts, nodes)]
        if np.bincount(owners, minlength=nodes).min() < self.rule.minimum:
            shares = np.bincount(codes * nodes + owners, minlength=len(values) * nodes).reshape(-1, nodes)
            fill(shares, shares.astype(np.float64), self.rule.minimum)
            owners = by_shares(codes, shares, Stream(seed, "shards", "rows").words(rows))
        return by_node(owners, nodes)

    def names(self, dataset: Dataset, nodes: int) -> None:
        return None

    def _owner(self, nodes: int, seed: int) -> NDArray[np.intp]:
        """The node of each shard."""
        owner = np.repeat(np.arange(nodes), self.rule.per_node)
        return owner[np.argsort(Stream(seed, "shards").permutation(len(owner)))]

    def _shards(self, values: NDArray[Any], counts: Counts, nodes: int) -> NDArray[np.intp]:
        """For each row, in sorted order, the shard in which its place among the rows of all data sets lies.

        The j-th of a value's m rows here stands for the (j + 1/2) / m-th part of the n that there are in all.
        """
        known = np.asarray([self.places[value] for value in values.tolist()], np.intp)
        before = (np.cumsum(self.rows) - self.rows)[known]
        j = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        m, n = np.repeat(counts, counts), np.repeat(self.rows[known], counts)
        place = np.repeat(before, counts) + (2 * j + 1) * n // (2 * m)
        shards = nodes * self.rule.per_node
        starts = np.arange(1, shards) * int(self.rows.sum()) // shards
        return np.asarray(np.searchsorted(starts, place, side="right"), np.intp)
