"""Data frames and Hugging Face data sets are dealt as a Table of the same columns is, and stay what they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from atoll.data import (
    IID,
    Dirichlet,
    FeatureSkew,
    Natural,
    Partition,
    Shards,
    SizeSkew,
    Subset,
    Table,
    Vertical,
    column_of,
    split,
)

PLACE = np.arange(120)
COLUMNS: dict[str, list[Any]] = {
    "label": (PLACE**2 % 7).tolist(),
    "x": (PLACE / 8).tolist(),
    "site": ["abc"[place % 7 % 3] for place in PLACE.tolist()],
}
RULES: list[Partition] = [
    IID(),
    Dirichlet(),
    Shards(),
    Natural("site"),
    SizeSkew(),
    FeatureSkew("label"),
]


class HuggingFace:
    """Speaks as `datasets.Dataset` does, and notes which rows of which columns were read."""

    def __init__(self, columns: dict[str, list[Any]], rows: list[int] | None = None) -> None:
        self._columns, self._rows = columns, list(range(120)) if rows is None else rows
        self.read: list[tuple[str, int]] = []

    @property
    def column_names(self) -> list[str]:
        return list(self._columns)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, which: int | str) -> Any:
        if isinstance(which, str):
            self.read.append((which, len(self)))
            return [self._columns[which][row] for row in self._rows]
        return {name: column[self._rows[which]] for name, column in self._columns.items()}

    def select(self, rows: Any) -> HuggingFace:
        part = HuggingFace(self._columns, [self._rows[row] for row in rows])
        part.read = self.read
        return part

    def select_columns(self, names: list[str]) -> HuggingFace:
        return HuggingFace({name: self._columns[name] for name in names}, self._rows)


def made(kind: str) -> Any:
    if kind == "fake":
        return HuggingFace(COLUMNS)
    if kind in ("datasets", "datasets, as numpy"):
        whole = pytest.importorskip("datasets").Dataset.from_dict(COLUMNS)
        return whole.with_format("numpy") if kind.endswith("numpy") else whole
    return pytest.importorskip(kind).DataFrame(COLUMNS)


REAL = [
    pytest.param(kind, marks=pytest.mark.long) for kind in ("datasets", "datasets, as numpy")
]  # slow to import


@pytest.mark.parametrize("kind", ["fake", "pandas", "polars", *REAL])
def test_rows_are_dealt_as_those_of_a_table(kind: str) -> None:
    whole, table = made(kind), Table(COLUMNS)
    for rule in RULES:
        dealt, expected = split({"train": whole}, rule, 3, 1), split({"train": table}, rule, 3, 1)
        assert dealt.names == expected.names
        for node in range(3):
            assert np.array_equal(dealt.indices["train"][node], expected.indices["train"][node])
            part = dealt.node(node)["train"]
            assert isinstance(part, Subset)
            for name in COLUMNS:
                assert np.array_equal(part[name], expected.node(node)["train"][name])
            assert {name: part[0][name] for name in COLUMNS} == expected.node(node)["train"][0]


@pytest.mark.parametrize("kind", ["fake", "pandas", "polars", *REAL])
def test_columns_are_dealt_and_the_kind_stays(kind: str) -> None:
    whole = made(kind)
    part = split({"train": whole}, Vertical({"one": ["x"], "two": ["site"]}, label="label"), 2, 0).node(0)[
        "train"
    ]
    assert type(part) is type(whole)
    assert len(part) == 120
    assert column_of(part, "x").tolist() == COLUMNS["x"]
    assert "site" not in list(getattr(part, "column_names", None) or part.columns)  # type: ignore[attr-defined]


def test_of_a_hugging_face_data_set_a_node_reads_its_own_rows() -> None:
    whole = HuggingFace(COLUMNS)
    dealt = split({"train": whole}, Dirichlet(), 4, 0)
    assert whole.read == [("label", 120)]
    part = dealt.node(2)["train"]
    part["x"]
    assert whole.read[1:] == [("x", len(part))]
