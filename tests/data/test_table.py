"""A table keeps its columns together, copies nothing that it need not, and says what is wrong."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from atoll.data import Table
from atoll.values import DataError


@pytest.fixture
def table() -> Table:
    return Table(x=np.arange(24, dtype=np.float32).reshape(6, 2, 2), label=np.array([0, 1, 0, 1, 2, 2]))


def test_a_table_is_made_of_a_mapping_or_of_keywords() -> None:
    x, y = np.zeros((3, 2)), [1, 2, 3]
    for table in (Table({"x": x, "label": y}), Table(x=x, label=y), Table({"x": x}, label=y)):
        assert table.columns == ("x", "label")
        assert len(table) == 3
        assert table["label"].tolist() == [1, 2, 3]


def test_a_column_is_the_array_that_was_handed_in() -> None:
    x = np.zeros((3, 2))
    assert Table(x=x)["x"] is x


def test_a_slice_shares_memory_and_picked_rows_are_copies(table: Table) -> None:
    part = table[2:5]
    assert len(part) == 3
    assert np.shares_memory(part["x"], table["x"])
    assert np.shares_memory(part["label"], table["label"])
    picked = table[[2, 3, 4]]
    assert not np.shares_memory(picked["x"], table["x"])
    assert np.array_equal(picked["x"], part["x"])


def test_rows_are_picked_by_lists_arrays_masks_and_tensors(table: Table) -> None:
    torch = pytest.importorskip("torch")
    for which in ([4, 1], np.array([4, 1]), np.array([4, 1], np.uint8), torch.tensor([4, 1]), [-2, -5]):
        assert table[which]["label"].tolist() == [2, 1]
    assert table[table["label"] == 2]["x"].shape == (2, 2, 2)
    assert len(table[[]]) == len(table[np.empty(0)]) == 0


def test_a_row_is_a_dict_and_iterating_goes_over_the_rows(table: Table) -> None:
    assert table[1]["label"] == table[np.int64(1)]["label"] == 1
    assert table[-1]["x"].shape == (2, 2)
    assert [row["label"] for row in table] == [0, 1, 0, 1, 2, 2]
    assert "label" in table
    assert 0 not in table


def test_a_row_that_is_not_there_is_an_index_error(table: Table) -> None:
    for row in (6, -7):
        with pytest.raises(IndexError, match=f"row {row} of a table of 6 rows"):
            table[row]


def test_a_table_can_be_read_at_a_glance(table: Table) -> None:
    assert repr(table) == "Table(6 rows: x float32 (2, 2), label int64)"
    assert repr(Table(site=["a", "b"])) == "Table(2 rows: site text)"


def test_columns_of_unequal_lengths_are_named() -> None:
    with pytest.raises(DataError, match="`x` 3, `label` 4") as raised:
        Table(x=np.zeros(3), label=np.zeros(4))
    assert raised.value.code == "data.unequal-lengths"


def test_a_table_has_columns_and_a_column_has_rows() -> None:
    with pytest.raises(DataError, match="at least one column"):
        Table()
    with pytest.raises(DataError, match="column `x` is one int"):
        Table(x=3)


def test_an_unknown_column_names_the_nearest_and_what_there_is(table: Table) -> None:
    with pytest.raises(DataError, match="no column `lable`; it has `x`, `label`") as raised:
        table["lable"]
    assert raised.value.mend == "did you mean `label`?"


def test_columns_cannot_be_set_but_stay_writable(table: Table) -> None:
    with pytest.raises(TypeError):
        table["x"] = np.zeros(6)  # type: ignore[index]
    assert table["x"].flags.writeable
    assert table[1:3]["x"].flags.writeable


def test_torch_takes_every_column_without_a_warning(table: Table) -> None:
    torch = pytest.importorskip("torch")
    pandas = pytest.importorskip("pandas")
    of_pandas = Table(x=pandas.DataFrame({"x": [1.0, 2.0]})["x"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for column in (table["x"], table[1:3]["x"], of_pandas["x"]):
            torch.from_numpy(column)


def test_a_memory_mapped_column_stays_mapped(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(10.0))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert np.shares_memory(Table(x=mapped)["x"], mapped)


def test_importing_the_room_imports_no_sample_reader_and_no_framework() -> None:
    code = (
        "import sys, atoll.data as d; heavy = {'torch', 'pandas', 'sklearn', 'mlxtend', 'atoll.data.samples'};"
        "print(sorted(heavy & set(sys.modules))); d.samples; print('atoll.data.samples' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.split("\n")[:2] == ["[]", "True"]


def test_the_room_has_what_it_lists() -> None:
    import atoll.data

    assert all(hasattr(atoll.data, name) for name in atoll.data.__all__)
    with pytest.raises(AttributeError, match="no attribute 'sample'"):
        _ = atoll.data.sample
