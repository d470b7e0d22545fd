"""`split`: several data sets ("train", "test") dealt to nodes in one go.

Doesn't know what runs at a node. A Table is copied once, in the order of the nodes, whatever their number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

import numpy as np

from atoll.data._columns import about
from atoll.data._partition import Joint, Partition, check_nodes
from atoll.data._subset import Dataset, IndexArray, Subset
from atoll.data._table import Table
from atoll.data._vertical import Vertical, narrowed
from atoll.values import DataError


def split(datasets: Mapping[str, Dataset], partition: Partition, nodes: int, seed: int) -> Split:
    """Deal every data set to `nodes` nodes, all with the same partition and seed.

    Skew and sites are shared: a node's test rows look like its train rows. The memory it takes is one
    copy of each Table (its rows, in the order of the nodes); any other data set stays as it is, behind
    Subsets. A `Vertical` partition deals columns instead, and copies nothing: each node has all rows.

    Raises DataError, naming the data set: no such column, too few rows or sites, something without `len` and
    `[i]`.
    """
    check_nodes(nodes)
    for name, dataset in datasets.items():
        _check_dataset(name, dataset)
    if isinstance(partition, Vertical):
        columns = partition.columns(datasets, nodes, seed)
        everywhere = {name: partition.indices(dataset, nodes, seed) for name, dataset in datasets.items()}
        called = None if partition.sites is None else list(partition.sites)
        return Split(datasets, everywhere, nodes, called, columns)
    rule = partition.joint(datasets, nodes) if isinstance(partition, Joint) else partition
    names: list[str] | None = None
    parts: dict[str, list[IndexArray]] = {}
    for name, dataset in datasets.items():
        with about(name):
            parts[name] = rule.indices(dataset, nodes, seed)
            _check_parts(parts[name], len(dataset), nodes, partition)
            names = names or rule.names(dataset, nodes)
    return Split(datasets, parts, nodes, names)


@final
class Split:
    """Data sets, dealt to nodes: `split.node(3)["train"]` is what the fourth node has of "train".

    `nodes` is their number, `names` what the partition calls them (or None), and `indices[name][i]` the rows
    of the data set `name` that went to node i, ascending, as numbers in the data set that was handed in.
    `columns[i]` are the columns of node i, where a `Vertical` partition dealt them; else `columns` is None.
    """

    __slots__ = ("_edges", "_whole", "columns", "indices", "names", "nodes")

    def __init__(
        self,
        datasets: Mapping[str, Dataset],
        indices: Mapping[str, list[IndexArray]],
        nodes: int,
        names: list[str] | None,
        columns: list[tuple[str, ...]] | None = None,
    ) -> None:
        self.nodes, self.columns = nodes, columns
        self.names = None if names is None else tuple(names)
        self.indices = dict(indices)
        self._edges = {name: np.cumsum([0, *map(len, parts)]).tolist() for name, parts in indices.items()}
        self._whole = dict(datasets)
        if columns is None:
            self._whole = {name: _in_order(dataset, indices[name]) for name, dataset in datasets.items()}

    def __len__(self) -> int:
        return self.nodes

    def node(self, index: int) -> Mapping[str, Dataset]:
        """What node `index` (from 0) has of every data set: views of one Table, or Subsets; never copies.

        With a `Vertical` partition: some columns of the whole, of the data set's own kind.

        Raises DataError: there is no such node.
        """
        if not 0 <= index < self.nodes:
            raise DataError(
                "data.unknown-node",
                f"there is no node {index} of {self.nodes}",
                f"nodes are 0 to {self.nodes - 1}",
            )
        return {name: self._part(name, index) for name in self._whole}

    def __repr__(self) -> str:
        held = ", ".join(f"{name} {len(whole):,} rows" for name, whole in self._whole.items())
        return f"Split({self.nodes:,} nodes: {held})"

    def _part(self, name: str, index: int) -> Dataset:
        whole = self._whole[name]
        if self.columns is not None:
            return narrowed(whole, self.columns[index])
        if isinstance(whole, Table):
            start, stop = self._edges[name][index : index + 2]
            return whole[start:stop]
        return Subset(whole, self.indices[name][index])


def _in_order(dataset: Dataset, parts: list[IndexArray]) -> Dataset:
    return dataset[np.concatenate(parts)] if isinstance(dataset, Table) else dataset


def _check_dataset(name: str, dataset: object) -> None:
    if isinstance(dataset, Mapping) or not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
        raise DataError(
            "data.not-a-dataset",
            f"data set `{name}` is a {type(dataset).__name__}, which has no rows by number",
            f"wrap it: atoll.data.Table({name}), or hand in anything with len() and [i]",
        )


def _check_parts(parts: list[IndexArray], rows: int, nodes: int, partition: Partition) -> None:
    """Hold a partition of the user's own to its promise."""
    dealt = np.concatenate(parts) if parts else np.empty(0, np.intp)
    seen = np.zeros(rows, bool)
    if len(parts) == nodes and len(dealt) == rows and (not rows or 0 <= dealt.min() <= dealt.max() < rows):
        seen[dealt] = True
    if len(parts) != nodes or len(dealt) != rows or not seen.all():
        raise DataError(
            "data.bad-partition",
            f"{type(partition).__name__} dealt {len(dealt):,} rows to {len(parts):,} nodes, not each of "
            f"{rows:,} rows once to {nodes:,} nodes",
            "let its indices() give one array of row numbers per node",
        )
