"""`Vertical`: nodes that know different things about the same individuals.

Doesn't know how a model is learnt across them. Columns are dealt and no rows: the i-th row is the same individual's at
every node, in every data set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from atoll.data._columns import about, column_of, columns_of
from atoll.data._partition import check_nodes
from atoll.data._random import Stream
from atoll.data._subset import Dataset, IndexArray
from atoll.data._table import Table, unknown_column
from atoll.values import DataError


@dataclass(frozen=True)
class Vertical:
    """Every node has all rows, in their order, and some of the columns.

    - `sites` says who has which, and names the nodes: `{"bank": ["income"], "shop": ["visits", "basket"]}`. Several
      may have the same column; what none has is left out. Without it the columns are dealt at random, each
      to one node; nodes differ by at most one column
    - `shared` columns, an id say, are at every node
    - the `label` is at the first node alone, the one that wants to predict it; name it in `shared` instead, or in
      a site, to have it elsewhere

    A node has its shared columns first, then its own, then the label. Of several data sets, dealt together, it has
    the same columns in all; the first one says which there are to deal.

    Raises DataError: fewer columns than nodes, another number of sites than nodes; a column that a data set doesn't
    have; a data set without named columns.
    """

    sites: Mapping[str, Sequence[str]] | None = None
    shared: Sequence[str] = ()
    label: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "shared", _names(self.shared))
        if self.sites is not None:
            sites = {name: _names(columns) for name, columns in self.sites.items()}
            object.__setattr__(self, "sites", sites)

    def columns(self, datasets: Mapping[str, Dataset], nodes: int, seed: int) -> list[tuple[str, ...]]:
        """For each node the names of the columns that it has."""
        check_nodes(nodes)
        known = {name: _known(name, dataset) for name, dataset in datasets.items()}
        first = next(iter(known.values()), [])
        own = self._dealt(first, nodes, seed) if self.sites is None else self._named(nodes)
        held = [
            tuple(dict.fromkeys([*self.shared, *mine, *([self.label] if self.label and not node else [])]))
            for node, mine in enumerate(own)
        ]
        if not all(held):
            message = f"node {held.index(())} is given no column"
            raise DataError("data.too-few-columns", message, "name one for each site, or a shared one")
        for name, columns in known.items():
            for column in dict.fromkeys(column for node in held for column in node):
                if column not in columns:
                    with about(name):
                        raise unknown_column(column, columns)
        return held

    def indices(self, dataset: Dataset, nodes: int, seed: int) -> list[IndexArray]:
        """All rows, in their order, for every node: a Partition's method, whose promise that a row has one node it can't keep."""
        check_nodes(nodes)
        return [np.arange(len(dataset))] * nodes

    def names(self, dataset: Dataset, nodes: int) -> list[str] | None:
        return None if self.sites is None else list(self.sites)

    def _named(self, nodes: int) -> list[Sequence[str]]:
        assert self.sites is not None
        if len(self.sites) == nodes:
            return list(self.sites.values())
        raise DataError(
            "data.too-few-sites",
            f"{nodes} nodes, but the partition names {len(self.sites)} sites: {', '.join(self.sites)}",
            f"run with nodes = {len(self.sites)}",
        )

    def _dealt(self, columns: Sequence[str], nodes: int, seed: int) -> list[list[str]]:
        free = [column for column in columns if column not in self.shared and column != self.label]
        if len(free) < nodes:
            raise DataError(
                "data.too-few-columns",
                f"{len(free)} columns can't give {nodes:,} nodes one each",
                f"run with nodes = {len(free)} or fewer" if free else "hand in columns to deal",
            )
        order = Stream(seed, "vertical").permutation(len(free)).tolist()
        return [[free[column] for column in sorted(order[node::nodes])] for node in range(nodes)]


def narrowed(dataset: Dataset, columns: Sequence[str]) -> Dataset:
    """A data set with these of its columns: of its own kind where it can be, and nothing is copied by us.

    A Table stays a Table, a data frame a data frame, a Hugging Face data set one of these; else a `Columns`.
    """
    if isinstance(dataset, Table):
        return Table({name: dataset[name] for name in columns})
    if hasattr(dataset, "select_columns"):
        chosen: Dataset = dataset.select_columns(list(columns))
        return chosen
    if hasattr(dataset, "columns"):
        framed: Dataset = dataset[list(columns)]
        return framed
    return Columns(dataset, columns)


@final
class Columns:
    """Some columns of a data set whose rows are mappings; rows are read when they are asked for."""

    __slots__ = ("_dataset", "columns")

    def __init__(self, dataset: Dataset, columns: Sequence[str]) -> None:
        self._dataset, self.columns = dataset, tuple(columns)

    def __len__(self) -> int:
        return len(self._dataset)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self._row(row) for row in range(len(self)))

    def __getitem__(self, which: str | int | np.integer[Any], /) -> dict[str, Any] | NDArray[Any]:
        if not isinstance(which, str):
            return self._row(int(which))
        if which not in self.columns:
            raise unknown_column(which, self.columns)
        return column_of(self._dataset, which)

    def __repr__(self) -> str:
        return f"Columns({len(self):,} rows: {', '.join(self.columns)})"

    def _row(self, row: int) -> dict[str, Any]:
        whole = self._dataset[row]
        return {name: whole[name] for name in self.columns}


def _names(columns: str | Sequence[str]) -> tuple[str, ...]:
    return (columns,) if isinstance(columns, str) else tuple(columns)


def _known(name: str, dataset: Dataset) -> list[str]:
    with about(name):
        return columns_of(dataset)
