"""`FeatureSkew`: rows that look alike lie together, whatever their labels are.

Doesn't know what the features mean. They are rounded to whole numbers, few enough that every sum of products is exact
in float32: groups are then the same on every platform, whichever library multiplies the matrices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atoll.data._columns import about, column_of
from atoll.data._dirichlet import by_shares, deal, fill
from atoll.data._partition import by_node, check_alpha, check_enough, check_minimum
from atoll.data._random import Stream, log_dirichlet
from atoll.data._subset import Dataset, IndexArray
from atoll.values import DataError

_Numbers = NDArray[np.floating[Any]]  # float32 or float64, (rows, numbers)
_Whole = NDArray[np.float32]  # whole numbers
_HUGE = 1e38  # twice as much is still a float32
_EXACT = 2**24  # up to here float32 has all of them
_LEARNT_FROM = 10_000  # rows
_STEPS = 20
_BLOCK = 4096


@dataclass(frozen=True)
class FeatureSkew:
    """Feature skew: rows are grouped by `columns` and each group is dealt in proportions from Dirichlet(alpha).

    The `groups` are the clusters of k-means (Lloyd, at most 20 steps, from random rows; learnt from at most 10,000
    rows) over the columns, each a number or an array of numbers per row, scaled to equal ranges. A small `alpha`
    (0.1) gives a node few groups; a large one (100) comes near to IID. With `groups` equal to the nodes and a
    tiny alpha, most nodes have a region of their own. Several data sets that are dealt together are grouped and
    skewed alike. Each node has at least `minimum` rows.

    To cut one column's range into pieces instead, take `Shards(column, per_node=1)`. Feature skew: Li et al.,
    arXiv:2102.02079 (whose synthetic kind gives parties regions of the feature space).

    Raises DataError: no columns; `groups` below 1; `alpha` outside of 1e-9 to 1e9; a negative `minimum`; fewer
    than nodes * minimum rows; a column that is missing, or holds what is no finite number.
    """

    columns: str | Sequence[str]
    groups: int = 10
    alpha: float = 0.1
    minimum: int = 1

    def __post_init__(self) -> None:
        named = (self.columns,) if isinstance(self.columns, str) else tuple(self.columns)
        object.__setattr__(self, "columns", named)
        if not named or self.groups < 1:
            raise DataError(
                "data.bad-groups",
                f"{self.groups} groups by {len(named)} columns",
                "name one column or more, and make 1 group or more",
            )
        check_alpha(self.alpha)
        check_minimum(self.minimum)

    def indices(self, dataset: Dataset, nodes: int, seed: int) -> list[IndexArray]:
        return _Alike(self, [_features(dataset, self.columns)]).indices(dataset, nodes, seed)

    def names(self, dataset: Dataset, nodes: int) -> None:
        return None

    def joint(self, datasets: Mapping[str, Dataset], nodes: int) -> _Alike:
        """The same groups, with the same proportions, for all of these data sets."""
        parts: list[list[_Numbers]] = []
        for name, dataset in datasets.items():
            with about(name):
                parts.append(_features(dataset, self.columns, like=parts[0] if parts else None))
        return _Alike(self, parts)


class _Alike:
    """A FeatureSkew partition that has seen its data."""

    def __init__(self, rule: FeatureSkew, parts: Sequence[Sequence[_Numbers]]) -> None:
        self._rule = rule
        columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
        self._ranges = [_range(column) for column in columns]
        self._levels = int(np.sqrt(_EXACT / max(1, sum(column.shape[1] for column in columns)) / 4))
        self._pooled = self._rounded(columns)
        self._centres: dict[int, _Whole] = {}

    def indices(self, dataset: Dataset, nodes: int, seed: int) -> list[IndexArray]:
        rule = self._rule
        check_enough(len(dataset), nodes, minimum=rule.minimum)
        if not len(dataset):
            return [np.empty(0, np.intp) for _ in range(nodes)]
        points = self._rounded(_features(dataset, rule.columns))
        codes = nearest(points, self._learnt(seed))
        preference = log_dirichlet(
            [Stream(seed, "features", group) for group in range(rule.groups)], rule.alpha, nodes
        )
        shares = deal(preference, np.bincount(codes, minlength=rule.groups))
        fill(shares, preference, rule.minimum)
        at_random = Stream(seed, "features", "rows").words(len(codes))
        return by_node(by_shares(codes, shares, at_random), nodes)

    def names(self, dataset: Dataset, nodes: int) -> None:
        return None

    def _learnt(self, seed: int) -> _Whole:
        if seed not in self._centres:
            self._centres[seed] = centres(
                self._pooled, self._rule.groups, Stream(seed, "features", "centres")
            )
        return self._centres[seed]

    def _rounded(self, columns: Sequence[_Numbers]) -> _Whole:
        return np.concatenate(
            [
                np.rint((column - low) / width * self._levels).astype(np.float32)
                for column, (low, width) in zip(columns, self._ranges, strict=True)
            ],
            axis=1,
        )


def centres(points: _Whole, groups: int, stream: Stream) -> _Whole:
    """The centres of the clusters of points (rows, numbers), rounded to whole numbers: (groups, numbers)."""
    learnt = points[stream.permutation(len(points))[:_LEARNT_FROM]]
    distinct = np.unique(learnt, axis=0)
    found = distinct[stream.permutation(len(distinct))[:groups]]
    for _ in range(_STEPS):
        codes = nearest(learnt, found)
        sums = np.stack([learnt[codes == group].sum(axis=0, dtype=np.float64) for group in range(len(found))])
        counts = np.bincount(codes, minlength=len(found))[:, None]
        moved = np.where(counts > 0, np.rint(sums / np.maximum(counts, 1)), found).astype(np.float32)
        if np.array_equal(moved, found):
            break
        found = moved
    return found


def nearest(points: _Whole, found: _Whole) -> NDArray[np.intp]:
    """For each point (rows,) the number of its nearest centre, the first of equals."""
    lengths = (found * found).sum(axis=1)
    blocks = [points[start : start + _BLOCK] for start in range(0, len(points), _BLOCK)]
    return np.concatenate([np.argmin(lengths - 2.0 * (block @ found.T), axis=1) for block in blocks])


def _features(
    dataset: Dataset, names: Sequence[str], *, like: list[_Numbers] | None = None
) -> list[_Numbers]:
    """The columns, each (rows, numbers), of as many numbers as another data set's. Raises DataError."""
    found = [_numbers(name, column_of(dataset, name)) for name in names]
    for name, mine, other in zip(names, found, like or found, strict=True):
        if mine.shape[1] != other.shape[1]:
            raise DataError(
                "data.not-numbers",
                f"column `{name}` has {mine.shape[1]:,} numbers a row, not {other.shape[1]:,} as in the data set before",
                "give a column the same shape in all data sets",
            )
    return found


def _numbers(name: str, column: NDArray[Any]) -> _Numbers:
    if column.dtype.kind in "biuf":
        flat = column.reshape(len(column), int(np.prod(column.shape[1:])))
        numbers: _Numbers = flat.astype(np.result_type(column.dtype, np.float32), copy=False)
        if np.isfinite(numbers).all() and (not numbers.size or np.abs(numbers).max() < _HUGE):
            return numbers
    raise DataError(
        "data.not-numbers",
        f"column `{name}` of {column.dtype} isn't all finite numbers",
        "group by columns of numbers, with their gaps filled",
    )


def _range(column: _Numbers) -> tuple[Any, Any]:
    """The least number and the width, in the column's own precision."""
    if not column.size:
        return 0.0, 1.0
    low, high = column.min(), column.max()
    return low, high - low or column.dtype.type(1)
