"""How rows are dealt to nodes: at random, with skewed labels, or by the site that they came from.

Doesn't know what a node does with its rows, or how they are held; it deals in row numbers only. What a seed
deals is the same on every platform, in every process and with every numpy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from atoll.data._columns import about, classes_of, in_order
from atoll.data._dirichlet import by_shares, deal, fill
from atoll.data._random import Stream, log_dirichlet
from atoll.data._subset import Dataset, IndexArray
from atoll.values import DataError


class Partition(Protocol):
    """A rule that deals the rows of a data set to nodes."""

    def indices(self, dataset: Dataset, nodes: int, seed: int) -> list[IndexArray]:
        """For each node its rows, ascending; every row belongs to exactly one node.

        Raises DataError: the data set can't be dealt so.
        """
        ...

    def names(self, dataset: Dataset, nodes: int) -> list[str] | None:
        """The nodes' names, where the data has some to give; else None."""
        ...


@runtime_checkable
class Joint(Protocol):
    """A partition that has to see all data sets of a split before it deals any one of them."""

    def joint(self, datasets: Mapping[str, Dataset], nodes: int) -> Partition:
        """The partition that deals each of these data sets alike."""
        ...


@dataclass(frozen=True)
class IID:
    """Rows are dealt at random; nodes differ by at most one row. Raises DataError: fewer rows than nodes."""

    def indices(self, dataset: Dataset, nodes: int, seed: int) -> list[IndexArray]:
        rows = len(dataset)
        check_enough(rows, nodes, minimum=1)
        shares = np.full(nodes, rows // nodes)
        shares[: rows % nodes] += 1
        owners = np.empty(rows, np.intp)
        owners[Stream(seed, "iid").permutation(rows)] = np.repeat(np.arange(nodes), shares)
        return by_node(owners, nodes)

    def names(self, dataset: Dataset, nodes: int) -> None:
        return None


@dataclass(frozen=True)
class Dirichlet:
    """Label skew: each class is dealt in proportions drawn from a symmetric Dirichlet(alpha) over the nodes.

    A small `alpha` (0.1) gives each node few classes and few nodes most rows; a large one (100) comes near to
    IID. The proportions belong to (seed, value of the class, nodes, alpha), not to the data set: a train and
    a test set, dealt with one seed, are skewed alike. Shares are rounded by largest remainder, weighted by
    what a node is owed. Each node has at least `minimum` rows: who lacks some takes them from whoever has
    most of the class that its own proportions favour, in at most nodes * minimum steps and with no new draw.

    Per-class proportions: Yurochkin et al., arXiv:1905.12022; the skew by Dirichlet: Hsu et al.,
    arXiv:1909.06335 (who draw a mixture of classes per node instead).

    Raises DataError: `alpha` outside of 1e-9 to 1e9, a negative `minimum`; fewer than nodes * minimum rows;
    no such column, or one with missing values or with more than one value per row.
    """

    column: str = "label"
    alpha: float = 0.5
    minimum: int = 1

    def __post_init__(self) -> None:
        check_alpha(self.alpha)
        check_minimum(self.minimum)

    def indices(self, dataset: Dataset, nodes: int, seed: int) -> list[IndexArray]:
        values, codes = classes_of(dataset, self.column)
        check_enough(len(codes), nodes, minimum=self.minimum)
        if not len(codes):
            return [np.empty(0, np.intp) for _ in range(nodes)]
        streams = [Stream(seed, "dirichlet", str(value)) for value in values.tolist()]
        preference = log_dirichlet(streams, self.alpha, nodes)
        shares = deal(preference, np.bincount(codes))
        fill(shares, preference, self.minimum)
        at_random = Stream(seed, "dirichlet").words(len(codes))
        return by_node(by_shares(codes, shares, at_random), nodes)

    def names(self, dataset: Dataset, nodes: int) -> None:
        return None


@dataclass(frozen=True)
class Natural:
    """By site: all rows with one value of `column` lie at one node, named after it; the largest comes first.

    Where there are fewer nodes than sites, the largest sites have a node each and the others join, one by one
    from large to small, the node that has the fewest rows then; "picu+2" is the node of picu and of two
    smaller sites. The seed changes nothing. Of several data sets, dealt together, a site has the same node in
    all, and may have no rows in some.

    Raises DataError: more nodes than sites; no such column, or one with missing values or more than one per
    row.
    """

    column: str

    def indices(self, dataset: Dataset, nodes: int, seed: int) -> list[IndexArray]:
        return self._placed(self._counted(dataset), nodes).indices(dataset, nodes, seed)

    def names(self, dataset: Dataset, nodes: int) -> list[str]:
        return self._placed(self._counted(dataset), nodes).names(dataset, nodes)

    def joint(self, datasets: Mapping[str, Dataset], nodes: int) -> _Sites:
        """The same sites at the same nodes for all of these data sets."""
        rows: Counter[Any] = Counter()
        for name, dataset in datasets.items():
            with about(name):
                rows.update(self._counted(dataset))
        return self._placed(rows, nodes)

    def _counted(self, dataset: Dataset) -> Counter[Any]:
        values, codes = classes_of(dataset, self.column)
        return Counter(
            dict(zip(values.tolist(), np.bincount(codes, minlength=len(values)).tolist(), strict=True))
        )

    def _placed(self, rows: Counter[Any], nodes: int) -> _Sites:
        check_nodes(nodes)
        if nodes <= len(rows):
            return _Sites(self.column, _grouped(rows, in_order(rows, self.column), nodes))
        raise DataError(
            "data.too-few-sites",
            f"{nodes} nodes, but column `{self.column}` has only {len(rows)} distinct values to give them",
            f"run with nodes = {len(rows)} or fewer",
        )


@dataclass(frozen=True)
class _Sites:
    """Which sites lie at which node: a Natural partition that has seen its data."""

    column: str
    groups: tuple[tuple[Any, ...], ...]

    def indices(self, dataset: Dataset, nodes: int, seed: int) -> list[IndexArray]:
        values, codes = classes_of(dataset, self.column)
        node_of = {value: node for node, group in enumerate(self.groups) for value in group}
        owners = np.asarray([node_of[value] for value in values.tolist()], np.intp)[codes]
        return by_node(owners, nodes)

    def names(self, dataset: Dataset, nodes: int) -> list[str]:
        names: list[str] = []
        for group in self.groups:
            name = f"{group[0]}+{len(group) - 1}" if len(group) > 1 else str(group[0])
            names.append(name if name not in names else f"{name} ({len(names)})")
        return names


def _grouped(rows: Mapping[Any, int], sites: list[Any], nodes: int) -> tuple[tuple[Any, ...], ...]:
    from heapq import heapify, heapreplace

    largest_first = sorted(sites, key=lambda site: -rows[site])
    groups: list[list[Any]] = [[] for _ in range(nodes)]
    emptiest = [(0, node) for node in range(nodes)]
    heapify(emptiest)
    for site in largest_first:
        held, node = emptiest[0]
        groups[node].append(site)
        heapreplace(emptiest, (held + rows[site], node))
    return tuple(tuple(group) for group in groups)


def by_node(owners: NDArray[np.intp], nodes: int) -> list[IndexArray]:
    """From each row's node, shape (rows,), each node's rows, ascending."""
    narrow = owners.astype(np.uint16) if nodes <= 1 << 16 else owners  # 16 bits sort by radix
    order = np.argsort(narrow, kind="stable")
    edges = np.cumsum(np.bincount(owners, minlength=nodes))[:-1]
    return np.split(order, edges)


def check_nodes(nodes: int) -> None:
    """Refuse a number of nodes below 1."""
    if nodes < 1:
        raise DataError(
            "data.too-few-nodes", f"nodes = {nodes}: there is nobody to deal to", "take 1 node or more"
        )


def check_alpha(alpha: float) -> None:
    """Refuse a concentration that nothing can be drawn with."""
    if not 1e-9 <= alpha <= 1e9:  # also refuses NaN
        raise DataError(
            "data.bad-alpha",
            f"alpha = {alpha}: the concentration of a Dirichlet partition lies between 1e-9 and 1e9",
            "take 0.1 for strong skew, 100 for little, or IID() for none",
        )


def check_minimum(minimum: int) -> None:
    """Refuse a negative number of rows per node."""
    if minimum < 0:
        raise DataError("data.bad-minimum", f"minimum = {minimum} rows per node", "take 0 or more")


def check_enough(rows: int, nodes: int, *, minimum: int) -> None:
    """Refuse fewer rows than every node must have."""
    check_nodes(nodes)
    if rows >= nodes * minimum:
        return
    most = rows // minimum
    raise DataError(
        "data.too-few-rows",
        f"{rows:,} rows can't give {nodes:,} nodes {minimum:,} each",
        f"run with nodes = {most:,} or fewer" if most else f"hand in {nodes * minimum:,} rows or more",
    )
