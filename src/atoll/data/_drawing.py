"""Draws how many rows of each class every node has: bars, stacked, or bubbles under bars.

Doesn't know how they were dealt, or counted. matplotlib is imported when it is used, and pyplot never: a figure is the caller's.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from atoll.values import DataError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INK, _FAINT, _LINE = "#22303c", "#7a8691", "#e3e7ea"
COLOURS = ("#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#76b7b2", "#edc948", "#b07aa1", "#ff9da7", "#9c755f", "#6b6ecf",
            "#a0cbe8", "#ffbe7d", "#8cd17d", "#ff9d9a", "#499894", "#f1ce63", "#d4a6c8", "#d37295", "#d7b5a6")  # fmt: skip
_OTHERS = "#c9cdd1"
BINS = 8
_NAMED, _LONG = 16, 22  # so many nodes have room for their names, if they are no longer
_STYLE = {"font.family": "sans-serif", "font.size": 9.5, "text.color": _INK, "axes.labelcolor": _FAINT,
          "xtick.color": _FAINT, "ytick.color": _FAINT}  # fmt: skip


@dataclass(frozen=True)
class Panel:
    """What is drawn in one panel."""

    title: str
    nodes: Sequence[str]
    classes: Sequence[str]
    counts: NDArray[np.intp]  # (classes, nodes)
    ordered: bool  # the classes are ranges of numbers


def drawn(panels: Sequence[Panel], column: str, kind: str) -> Figure:
    """One panel below the other, as "bars" or "bubbles". Raises DataError: matplotlib isn't installed."""
    figure_of, style = _matplotlib()
    with style(_STYLE):
        return _drawn(figure_of, panels, column, kind)


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


def _drawn(figure_of: Any, panels: Sequence[Panel], column: str, kind: str) -> Figure:
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


def _bars(axes: Axes, panel: Panel) -> None:
    place, below = np.arange(len(panel.nodes)), np.zeros(len(panel.nodes))
    edge = 0.6 if len(panel.nodes) <= 30 else 0.0
    thick = panel.counts.sum(axis=0).max() / 60  # what is thinner would be all edge
    for counts, colour in zip(panel.counts, _colours(panel), strict=True):
        edges = np.where(counts > thick, edge, 0.0).tolist()
        axes.bar(place, counts, _width(panel), below, color=colour, edgecolor="white", linewidth=edges)
        below += counts
    _plain(axes, panel)
    _titled(axes, panel)


def _sizes(axes: Axes, panel: Panel) -> None:
    axes.bar(np.arange(len(panel.nodes)), panel.counts.sum(axis=0), _width(panel), color="#9fb1c1")
    _plain(axes, panel)
    _titled(axes, panel)
    axes.tick_params(labelbottom=False)
    axes.set_xlabel("")


def _bubbles(axes: Axes, panel: Panel) -> None:
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


def _plain(axes: Axes, panel: Panel) -> None:
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


def _titled(axes: Axes, panel: Panel) -> None:
    sizes = panel.counts.sum(axis=0)
    spread = f"{sizes.min():,}" if sizes.min() == sizes.max() else f"{sizes.min():,} to {sizes.max():,}"
    axes.set_title(panel.title, loc="left", fontweight="bold", fontsize=11, pad=21)
    told = f"{sizes.sum():,} rows at {len(sizes):,} nodes, {spread} each"
    axes.annotate(
        told, (0, 1), (0, 8), xycoords="axes fraction", textcoords="offset points", color=_FAINT, fontsize=9
    )


def _legend(figure: Figure, panel: Panel, column: str) -> None:
    from matplotlib.patches import Patch

    patches = [
        Patch(color=colour, label=name) for name, colour in zip(panel.classes, _colours(panel), strict=True)
    ]
    drawn = figure.legend(handles=patches[::-1], title=column, loc="outside right center", frameon=False, labelcolor=_INK,
                          handlelength=0.9, handleheight=0.9, fontsize=9, borderaxespad=0.2)  # fmt: skip
    drawn.get_title().set_color(_FAINT)


def _colours(panel: Panel) -> list[Any]:
    if panel.ordered:
        from matplotlib import colormaps

        return [colormaps["viridis"](0.08 + 0.84 * place / (BINS - 1)) for place in range(BINS)]
    return [*COLOURS, _OTHERS][: len(panel.classes)]


def _width(panel: Panel) -> float:
    return 0.62 if len(panel.nodes) <= 5 else 0.78 if len(panel.nodes) <= 40 else 0.88


def _are_named(panel: Panel) -> bool:
    return len(panel.nodes) <= _NAMED and any(not name.isdigit() for name in panel.nodes)
