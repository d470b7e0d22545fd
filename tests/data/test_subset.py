"""A subset reads rows when they are asked for, from whatever holds them; a column is found wherever there is one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from atoll.data import Subset, Table, column_of
from atoll.values import DataError


class Counted:
    """A data set that notes which rows were read."""

    def __init__(self, rows: int) -> None:
        self.rows, self.read = rows, list[int]()

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, row: int) -> dict[str, int]:
        self.read.append(row)
        return {"value": row * 10, "label": row % 2}


class Columnar:
    """Shaped like a Hugging Face data set: `column_names`, columns by name, rows by number."""

    column_names = ["text", "label"]

    def __len__(self) -> int:
        return 3

    def __getitem__(self, which: int | str) -> object:
        columns: dict[str, list[object]] = {"text": ["a", "b", "c"], "label": [5, 6, 7]}
        return (
            columns[which]
            if isinstance(which, str)
            else {name: values[which] for name, values in columns.items()}
        )


class Vision:
    """Shaped like a torchvision data set: rows are pairs, `targets` is a list."""

    targets = [3, 1, 2]

    def __len__(self) -> int:
        return 3

    def __getitem__(self, row: int) -> tuple[str, int]:
        return "picture", self.targets[row]


def test_no_row_is_read_before_it_is_asked_for() -> None:
    dataset = Counted(100)
    subset = Subset(dataset, [7, 3, 5])
    assert len(subset) == 3
    assert len(subset[1:]) == 2
    assert dataset.read == []
    assert subset[1]["value"] == 30
    assert dataset.read == [3]


def test_rows_come_in_the_order_of_the_indices() -> None:
    subset = Subset(list("abcdef"), np.array([5, 0, 3]))
    assert list(subset) == ["f", "a", "d"]
    assert subset[-1] == "d"
    assert list(subset[::-1]) == ["d", "a", "f"]
    assert list(subset[[2, 0]]) == ["d", "f"]
    assert list(subset[np.array([True, False, True])]) == ["f", "d"]
    assert list(subset[[]]) == list(Subset([], [])) == []
    assert repr(subset) == "Subset(3 of 6 rows of list)"


def test_a_row_beyond_the_end_is_an_index_error() -> None:
    with pytest.raises(IndexError):
        Subset([1, 2, 3], [0])[1]


@pytest.mark.parametrize("indices", [[0, 3], [-1], [[0, 1]], [0.5], [True, False, True]])
def test_indices_that_are_no_rows_are_refused(indices: list[object]) -> None:
    with pytest.raises(DataError) as raised:
        Subset([1, 2, 3], indices)  # type: ignore[arg-type]
    assert raised.value.code == "data.bad-indices"
    assert raised.value.mend


def test_data_frames_give_rows_by_position() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"x": [1.0, 2.0, 3.0], "site": ["a", "b", "a"]}, index=[30, 20, 10])
    subset = Subset(frame, [2, 0])
    assert subset[0]["x"] == 3.0
    assert [row["site"] for row in subset] == ["a", "a"]
    assert subset["x"].tolist() == [3.0, 1.0]


def test_polars_frames_have_columns_too() -> None:
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"x": [1, 2, 3], "site": ["a", "b", "a"]})
    assert Subset(frame, [1])["site"].tolist() == ["b"]


def test_torch_data_sets_and_their_subsets_are_taken() -> None:
    torch = pytest.importorskip("torch")
    pairs = torch.utils.data.TensorDataset(torch.arange(6.0), torch.arange(6))
    assert Subset(pairs, [4])[0][1] == 4
    halves = torch.utils.data.Subset(Table(label=[3, 4, 5]), [2, 0])
    assert column_of(halves, "label").tolist() == [5, 3]


def test_a_torch_loader_takes_tables_and_subsets() -> None:
    torch = pytest.importorskip("torch")
    table = Table(x=np.arange(8.0).reshape(4, 2), label=[0, 1, 2, 3])
    for dataset in (table, Subset(table, [0, 1, 2, 3])):
        (batch,) = torch.utils.data.DataLoader(dataset, batch_size=4)
        assert batch["x"].shape == (4, 2)
        assert batch["label"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("dataset", "column", "values"),
    [
        (Table(label=[1, 2, 3]), "label", [1, 2, 3]),
        (Columnar(), "label", [5, 6, 7]),
        (Vision(), "targets", [3, 1, 2]),
        (Counted(3), "label", [0, 1, 0]),
        ([{"a": 1}, {"a": 2}], "a", [1, 2]),
        (Subset(Subset(Columnar(), [2, 1]), [0]), "label", [7]),
    ],
)
def test_a_column_is_found_wherever_there_is_one(dataset: object, column: str, values: list[int]) -> None:
    assert column_of(dataset, column).tolist() == values  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (Columnar(), "it has `text`, `label`"),
        (Counted(2), "it has `value`, `label`"),
        (Vision(), "a Vision with tuple rows has no named columns"),
        (["a", "b"], "a list with str rows has no named columns"),
    ],
)
def test_a_column_that_is_not_there_is_an_error_that_says_what_is(dataset: object, message: str) -> None:
    with pytest.raises(DataError, match=message) as raised:
        column_of(dataset, "clinic")  # type: ignore[arg-type]
    assert raised.value.code == "data.unknown-column"


def test_something_that_can_be_iterated_only_is_no_subset() -> None:
    def rows() -> Iterator[int]:
        yield 1

    with pytest.raises(TypeError):
        Subset(rows(), [0])  # type: ignore[arg-type]
