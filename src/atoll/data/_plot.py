"""`plot_partitions`: who got what, counted, and drawn as a bar or a column of bubbles for each node.

Doesn't know what the picture looks like.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import Field, fields, is_dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from atoll.data._columns import classes_of, column_of
from atoll.data._drawing import BINS, COLOURS, Panel, drawn
from atoll.data._partition import Partition
from atoll.data._split import Split
from atoll.data._subset import Dataset, Subset
from atoll.data._table import Table
from atoll.data._vertical import Vertical
from atoll.values import DataError, suggestion

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = ("bars", "bubbles")


def plot_partitions(
    dataset: Dataset | Split,
    partitions: Partition | Mapping[str, Partition] | str = "train",
    *,
    nodes: int = 10,
    seed: int = 0,
    column: str = "label",
    kind: str = "bars",
) -> Figure:
    """Draw how many rows of each class every node has; returns a matplotlib Figure, `figure.savefig("dealt.png")`, which a notebook shows.

    - a data set with one partition, or with several by name: one panel for each, dealt to `nodes` with `seed`
    - or a `Split`, and the name of one of its data sets

    `column` gives the classes. Numbers of more than 20 values are shown in 8 ranges, of more than 20 other values the 19
    most frequent. `kind` is "bars", stacked, or "bubbles": one for each class, its area the rows, under bars of the sizes.

    Raises DataError: matplotlib isn't installed (`pip install 'atoll[plot]'`), there is no such kind, data set or column,
    or a partition that can't deal; a `Vertical` one deals no rows.
    """
    if kind not in KINDS:
        raise DataError(
            "data.unknown-kind",
            f"there is no kind {kind!r} of plot; there are {', '.join(KINDS)}",
            suggestion(str(kind), KINDS, what="kinds"),
        )
    panels = _panels(dataset, partitions, nodes, seed, column)
    return drawn(panels, column, kind)


def _panels(dataset: Any, partitions: Any, nodes: int, seed: int, column: str) -> list[Panel]:
    if isinstance(dataset, Split):
        if not isinstance(partitions, str) or partitions not in dataset.indices:
            known = list(dataset.indices)
            raise DataError(
                "data.unknown",
                f"the split has no data set {partitions!r}; it has {', '.join(known)}",
                suggestion(str(partitions), known, what="data sets"),
            )
        return [_of_split(dataset, partitions, column)]
    if isinstance(partitions, str):
        raise DataError(
            "data.bad-partition",
            "a data set is plotted with the partition that deals it",
            "plot_partitions(dataset, atoll.data.Dirichlet(alpha=0.1))",
        )
    named = partitions if isinstance(partitions, Mapping) else {_called(partitions): partitions}
    values, codes = classes_of(dataset, column)
    panels = []
    for title, partition in named.items():
        if isinstance(partition, Vertical):
            raise _no_rows()
        parts = partition.indices(dataset, nodes, seed)
        names = partition.names(dataset, nodes)
        panels.append(_panel(title, names, values, [codes[rows] for rows in parts]))
    return panels


def _of_split(dealt: Split, name: str, column: str) -> Panel:
    if dealt.columns is not None:
        raise _no_rows()
    held = [dealt.node(node)[name] for node in range(dealt.nodes)]
    if isinstance(held[0], Subset):
        values, codes = classes_of(held[0].dataset, column)
        return _panel(name, dealt.names, values, [codes[rows] for rows in dealt.indices[name]])
    values, codes = classes_of(
        Table({column: np.concatenate([column_of(part, column) for part in held])}), column
    )
    edges = np.cumsum([len(part) for part in held])[:-1]
    return _panel(name, dealt.names, values, np.split(codes, edges))


def _no_rows() -> DataError:
    return DataError(
        "data.bad-partition",
        "a vertical partition deals columns, of which there is nothing to count",
        "print(atoll.data.split(...).columns)",
    )


def _called(partition: Partition) -> str:
    """Its kind, and what of it isn't as usual: `Dirichlet, alpha 0.1`."""
    own: Sequence[Field[Any]] = fields(partition) if is_dataclass(partition) else ()
    told = [
        (field.name, getattr(partition, field.name))
        for field in own
        if getattr(partition, field.name) != field.default
    ]
    return ", ".join([type(partition).__name__, *(f"{name} {_in_words(value)}" for name, value in told)])


def _in_words(value: Any) -> str:
    return " and ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _panel(
    title: str, names: Sequence[str] | None, values: NDArray[Any], parts: Sequence[NDArray[np.intp]]
) -> Panel:
    shown, place, ordered = _shown(values, np.concatenate(parts))
    counts = np.stack([np.bincount(place[codes], minlength=len(shown)) for codes in parts], axis=1)
    return Panel(title, names or [str(node) for node in range(len(parts))], shown, counts, ordered)


def _shown(values: NDArray[Any], codes: NDArray[np.intp]) -> tuple[list[str], NDArray[np.intp], bool]:
    """The classes as they are shown, for each value which it is, and whether they are ranges."""
    if len(values) <= len(COLOURS) + 1:
        return [str(value) for value in values.tolist()], np.arange(len(values)), False
    if values.dtype.kind in "iuf":
        whole = bool((values == np.rint(values)).all())
        edges = np.linspace(float(values[0]), float(values[-1]), BINS + 1)
        edges = np.rint(edges) if whole else edges
        bins = np.minimum(np.searchsorted(edges, values, side="right") - 1, BINS - 1)
        ends = edges[1:] - np.append(np.ones(BINS - 1), 0) * whole
        return [f"{low:,.4g} to {high:,.4g}" for low, high in zip(edges[:-1], ends, strict=True)], bins, True
    order = np.argsort(-np.bincount(codes, minlength=len(values)), kind="stable")
    place = np.empty(len(values), np.intp)
    place[order] = np.minimum(np.arange(len(values)), len(COLOURS))
    frequent = [str(values[which]) for which in order[: len(COLOURS)].tolist()]
    return [*frequent, f"{len(values) - len(COLOURS):,} others"], place, False
