"""`plot_partitions`: who got what, as a picture: a bar or a column of bubbles for each node.

Doesn't know how rows were dealt. matplotlib is imported when it is used, and pyplot never: a figure is the caller's.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from atoll.data._columns import classes_of, column_of
from atoll.data._partition import Partition
from atoll.data._split import Split
from atoll.data._subset import Dataset, Subset
from atoll.data._table import Table
from atoll.data._vertical import Vertical
from atoll.values import DataError, suggestion

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KINDS = ("bars", "bubbles")
_INK, _FAINT, _LINE = "#22303c", "#7a8691", "#e3e7ea"
_COLOURS = ("#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#76b7b2", "#edc948", "#b07aa1", "#ff9da7", "#9c755f", "#6b6ecf",
            "#a0cbe8", "#ffbe7d", "#8cd17d", "#ff9d9a", "#499894", "#f1ce63", "#d4a6c8", "#d37295", "#d7b5a6")  # fmt: skip
_OTHERS = "#c9cdd1"
_BINS = 8
_NAMED, _LONG = 16, 22  # so many nodes have room for their names, if they are no longer
_STYLE = {"font.family": "sans-serif", "font.size": 9.5, "text.color": _INK, "axes.labelcolor": _FAINT,
          "xtick.color": _FAINT, "ytick.color": _FAINT}  # fmt: skip


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
    figure_of, style = _matplotlib()
    with style(_STYLE):
        return _drawn(figure_of, panels, column, kind)


@dataclass(frozen=True)
class _Panel:
    """What is drawn in one panel."""

    title: str
    nodes: Sequence[str]
    classes: Sequence[str]
    counts: NDArray[np.intp]  # (classes, nodes)
    ordered: bool  # the classes are ranges of numbers


def _panels(dataset: Any, partitions: Any, nodes: int, seed: int, column: str) -> list[_Panel]:
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


def _of_split(dealt: Split, name: str, column: str) -> _Panel:
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
) -> _Panel:
    shown, place, ordered = _shown(values, np.concatenate(parts))
    counts = np.stack([np.bincount(place[codes], minlength=len(shown)) for codes in parts], axis=1)
    return _Panel(title, names or [str(node) for node in range(len(parts))], shown, counts, ordered)


def _shown(values: NDArray[Any], codes: NDArray[np.intp]) -> tuple[list[str], NDArray[np.intp], bool]:
    """The classes as they are shown, for each value which it is, and whether they are ranges."""
    if len(values) <= len(_COLOURS) + 1:
        return [str(value) for value in values.tolist()], np.arange(len(values)), False
    if values.dtype.kind in "iuf":
        whole = bool((values == np.rint(values)).all())
        edges = np.linspace(float(values[0]), float(values[-1]), _BINS + 1)
        edges = np.rint(edges) if whole else edges
        bins = np.minimum(np.searchsorted(edges, values, side="right") - 1, _BINS - 1)
        ends = edges[1:] - np.append(np.ones(_BINS - 1), 0) * whole
        return [f"{low:,.4g} to {high:,.4g}" for low, high in zip(edges[:-1], ends, strict=True)], bins, True
    order = np.argsort(-np.bincount(codes, minlength=len(values)), kind="stable")
    place = np.empty(len(values), np.intp)
    place[order] = np.minimum(np.arange(len(values)), len(_COLOURS))
    frequent = [str(values[which]) for which in order[: len(_COLOURS)].tolist()]
    return [*frequent, f"{len(values) - len(_COLOURS):,} others"], place, False


def _matplotlib() -> tuple[Any, Any]:
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        raise DataError(
            "data.no-package",
            "plotting needs matplotlib, which is not installed",
            "pip install 'atoll[plot]'",
        ) from None

    class Drawn(Figure):
        """A figure that a notebook shows, though pyplot doesn't know it."""

        def _repr_png_(self) -> bytes:
            picture = io.BytesIO()
            self.savefig(picture, format="png", dpi=110)
            return picture.getvalue()

    return Drawn, rc_context


def _drawn(figure_of: Any, panels: Sequence[_Panel], column: str, kind: str) -> Figure:
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    most = max(len(panel.nodes) for panel in panels)
    tall = (
        max(2.9, 0.1 * len(panels[0].classes) + 2.2)
        if kind == "bars"
        else 2.4 + 0.22 * len(panels[0].classes)
    )
    width = min(13.0, 6.4 + 0.07 * most)
    layout = ConstrainedLayoutEngine(h_pad=0.1, w_pad=0.1, hspace=0.02)
    figure: Figure = figure_of(figsize=(width, len(panels) * (tall + 0.25)), layout=layout)
    heights = [1.0] if kind == "bars" else [1.0, 0.3 * len(panels[0].classes) + 0.6]
    grid = figure.add_gridspec(len(heights) * len(panels), 1, height_ratios=heights * len(panels))
    for place, panel in enumerate(panels):
        first = figure.add_subplot(grid[place * len(heights)])
        if kind == "bars":
            _bars(first, panel)
        else:
            _sizes(first, panel)
            _bubbles(figure.add_subplot(grid[2 * place + 1], sharex=first), panel)
    if kind == "bars":
        _legend(figure, panels[0], column)
    return figure


def _bars(axes: Axes, panel: _Panel) -> None:
    place, below = np.arange(len(panel.nodes)), np.zeros(len(panel.nodes))
    edge = 0.6 if len(panel.nodes) <= 30 else 0.0
    thick = panel.counts.sum(axis=0).max() / 60  # what is thinner would be all edge
    for counts, colour in zip(panel.counts, _colours(panel), strict=True):
        edges = np.where(counts > thick, edge, 0.0).tolist()
        axes.bar(place, counts, _width(panel), below, color=colour, edgecolor="white", linewidth=edges)
        below += counts
    _plain(axes, panel)
    _titled(axes, panel)


def _sizes(axes: Axes, panel: _Panel) -> None:
    axes.bar(np.arange(len(panel.nodes)), panel.counts.sum(axis=0), _width(panel), color="#9fb1c1")
    _plain(axes, panel)
    _titled(axes, panel)
    axes.tick_params(labelbottom=False)
    axes.set_xlabel("")


def _bubbles(axes: Axes, panel: _Panel) -> None:
    kinds, nodes = panel.counts.shape
    wide = 72.0 * min(13.0, 6.4 + 0.07 * nodes) * 0.85 / nodes  # points from node to node
    room = min(max(0.9 * wide, 12.0), 14.0)
    for kind, colour in enumerate(_colours(panel)):
        held = np.flatnonzero(panel.counts[kind])
        areas = panel.counts[kind, held] / panel.counts.max() * room**2
        axes.scatter(held, np.full(len(held), kind), areas, color=colour, linewidths=0, zorder=3)
    _plain(axes, panel)
    axes.set_ylabel("")
    axes.set_ylim(-0.7, kinds - 0.3)
    axes.set_yticks(range(kinds), panel.classes)
    axes.invert_yaxis()


def _plain(axes: Axes, panel: _Panel) -> None:
    """Few lines, faint ones, and as many names of nodes as there is room for."""
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_LINE)
    axes.grid(axis="y", color=_LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_ylabel("rows")
    nodes = len(panel.nodes)
    axes.set_xlim(-0.65, nodes - 0.35)
    if _are_named(panel):
        names = [name if len(name) <= _LONG else f"{name[: _LONG - 2]} …" for name in panel.nodes]
        slanted = max(map(len, names)) * nodes > 75
        axes.set_xticks(
            range(nodes), names, rotation=30 if slanted else 0, ha="right" if slanted else "center"
        )
        return
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 10**9) if nodes / step <= 25)
    axes.set_xticks(range(0, nodes, step), [str(node) for node in range(0, nodes, step)])
    axes.set_xlabel("node")


def _titled(axes: Axes, panel: _Panel) -> None:
    sizes = panel.counts.sum(axis=0)
    spread = f"{sizes.min():,}" if sizes.min() == sizes.max() else f"{sizes.min():,} to {sizes.max():,}"
    axes.set_title(panel.title, loc="left", fontweight="bold", fontsize=11, pad=21)
    told = f"{sizes.sum():,} rows at {len(sizes):,} nodes, {spread} each"
    axes.annotate(
        told, (0, 1), (0, 8), xycoords="axes fraction", textcoords="offset points", color=_FAINT, fontsize=9
    )


def _legend(figure: Figure, panel: _Panel, column: str) -> None:
    from matplotlib.patches import Patch

    patches = [
        Patch(color=colour, label=name) for name, colour in zip(panel.classes, _colours(panel), strict=True)
    ]
    drawn = figure.legend(handles=patches[::-1], title=column, loc="outside right center", frameon=False, labelcolor=_INK,
                          handlelength=0.9, handleheight=0.9, fontsize=9, borderaxespad=0.2)  # fmt: skip
    drawn.get_title().set_color(_FAINT)


def _colours(panel: _Panel) -> list[Any]:
    if panel.ordered:
        from matplotlib import colormaps

        return [colormaps["viridis"](0.08 + 0.84 * place / (_BINS - 1)) for place in range(_BINS)]
    return [*_COLOURS, _OTHERS][: len(panel.classes)]


def _width(panel: _Panel) -> float:
    return 0.62 if len(panel.nodes) <= 5 else 0.78 if len(panel.nodes) <= 40 else 0.88


def _are_named(panel: _Panel) -> bool:
    return len(panel.nodes) <= _NAMED and any(not name.isdigit() for name in panel.nodes)
