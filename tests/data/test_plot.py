"""A picture of a partition shows what was dealt: bars as high as the rows, and names where there is room."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from atoll.data import (
    IID,
    Dirichlet,
    Natural,
    Partition,
    Shards,
    Subset,
    Table,
    Vertical,
    plot_partitions,
    split,
)
from atoll.values import DataError

pytest.importorskip("matplotlib")
LABELS = np.arange(600) ** 2 % 7
TABLE = Table(
    label=LABELS,
    site=np.array(["north", "south", "east"])[np.arange(600) % 7 % 3],
    age=LABELS + np.arange(600) / 20,
)


def bars(axes: Any) -> np.ndarray:
    """The heights of the bars, (classes, nodes)."""
    return np.array([[bar.get_height() for bar in stack] for stack in axes.containers])


def ticks(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.get_xticklabels()]


def counts(rule: Partition, nodes: int) -> np.ndarray:
    parts = rule.indices(TABLE, nodes, 0)
    return np.stack([np.bincount(LABELS[rows], minlength=7)[np.unique(LABELS)] for rows in parts], axis=1)


@pytest.mark.parametrize("nodes", [1, 3, 100])
def test_bars_are_as_high_as_the_rows(nodes: int) -> None:
    rule = Dirichlet(alpha=0.2)
    (axes,) = plot_partitions(TABLE, rule, nodes=nodes).axes
    assert np.array_equal(bars(axes), counts(rule, nodes))
    assert axes.get_title(loc="left") == "Dirichlet, alpha 0.2"


def test_few_nodes_are_named_and_of_many_some() -> None:
    (few,) = plot_partitions(TABLE, Natural("site"), nodes=3).axes
    assert ticks(few) == Natural("site").names(TABLE, 3)
    (many,) = plot_partitions(TABLE, IID(), nodes=100).axes
    assert ticks(many)[:3] == ["0", "5", "10"]
    assert len(ticks(many)) == 20


def test_partitions_stand_one_below_the_other() -> None:
    one, other = plot_partitions(TABLE, {"even": IID(), "in pieces": Shards()}, nodes=5).axes
    assert [axes.get_title(loc="left") for axes in (one, other)] == ["even", "in pieces"]
    assert np.array_equal(bars(other), counts(Shards(), 5))
    assert one.texts[0].get_text() == "600 rows at 5 nodes, 120 each"


@pytest.mark.parametrize("dataset", [TABLE, Subset([{"label": int(label)} for label in LABELS], range(600))])
def test_a_split_is_drawn_as_it_was_dealt(dataset: Any) -> None:
    dealt = split({"train": dataset, "test": dataset}, Dirichlet(alpha=0.2), 4, 0)
    (axes,) = plot_partitions(dealt, "test").axes
    assert np.array_equal(bars(axes), counts(Dirichlet(alpha=0.2), 4))


def test_bubbles_have_the_area_of_their_rows() -> None:
    above, below = plot_partitions(TABLE, Shards(), nodes=5, kind="bubbles").axes
    expected = counts(Shards(), 5)
    assert bars(above).tolist() == [expected.sum(axis=0).tolist()]
    areas = np.concatenate([points.get_sizes() for points in below.collections])
    held = expected[expected > 0]
    assert np.allclose(areas / areas.max(), held / held.max())


def test_many_numbers_are_shown_in_ranges_and_many_words_by_the_most_frequent() -> None:
    figure = plot_partitions(TABLE, IID(), nodes=3, column="age")
    assert len(figure.legends[0].get_texts()) == 8
    assert bars(figure.axes[0]).sum() == 600
    words = Table(label=[f"word {place * place % 97}" for place in range(500)])
    named = [text.get_text() for text in plot_partitions(words, IID(), nodes=3).legends[0].get_texts()]
    assert len(named) == 20
    assert named[0] == f"{len(set(words['label'].tolist())) - 19} others"  # drawn on top
    whole = Table(label=np.arange(100))
    ranges = [text.get_text() for text in plot_partitions(whole, IID(), nodes=3).legends[0].get_texts()]
    assert ranges[-1] == "0 to 11"
    assert ranges[0] == "87 to 99"


def test_a_figure_is_saved_without_pyplot() -> None:
    code = (
        "import sys, io; from atoll.data import *; import atoll.data; assert 'matplotlib' not in sys.modules;"
        "f = plot_partitions(Table(label=[1, 2] * 20), IID()); b = io.BytesIO(); f.savefig(b);"
        "print(b.getvalue()[1:4], 'matplotlib.pyplot' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["b'PNG'", "False"]


def test_a_notebook_shows_a_figure() -> None:
    shown = plot_partitions(TABLE, Shards(), nodes=100, kind="bubbles")._repr_png_()  # type: ignore[attr-defined]
    assert shown[1:4] == b"PNG"
    assert len(shown) > 10_000


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: plot_partitions(TABLE, IID(), kind="pies"), "no kind 'pies' of plot"),
        (lambda: plot_partitions(TABLE), "plotted with the partition"),
        (lambda: plot_partitions(TABLE, Vertical(), nodes=2), "deals columns"),
        (lambda: plot_partitions(split({"train": TABLE}, Vertical(), 2, 0)), "deals columns"),
        (
            lambda: plot_partitions(split({"train": TABLE}, IID(), 2, 0), "tset"),
            "no data set 'tset'; it has train",
        ),
        (lambda: plot_partitions(TABLE, IID(), column="nope"), "no column `nope`"),
    ],
)
def test_what_cannot_be_drawn_is_said(ask: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        ask()


def test_a_missing_matplotlib_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(DataError, match="needs matplotlib") as raised:
        plot_partitions(TABLE, IID())
    assert raised.value.mend == "pip install 'atoll[plot]'"
