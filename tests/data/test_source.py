"""What a node's owner names as data is what client functions get."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from atoll.data import Table, is_function, open_source
from atoll.values import Arrays, DataError


def nothing(reference, what):
    raise AssertionError(reference)


def code(source):
    with pytest.raises(DataError) as caught:
        open_source("train", str(source), nothing)
    return caught.value.code


def test_an_npz_file_is_a_table(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.ones((4, 2), "f4"), label=np.arange(4))
    table = open_source("train", str(tmp_path / "a.npz"), nothing)
    assert isinstance(table, Table)
    assert (table.columns, len(table), table["x"].dtype) == (("x", "label"), 4, np.float32)


def test_a_safetensors_file_is_a_table_that_may_be_written_to(tmp_path):
    Arrays(x=np.ones((4, 2)), label=np.arange(4)).save(tmp_path / "a.safetensors")
    table = open_source("train", str(tmp_path / "a.safetensors"), nothing)
    table["x"][0] = 3
    assert len(table) == 4


def test_a_csv_file_has_whole_numbers_numbers_and_texts(tmp_path):
    (tmp_path / "a.csv").write_text(
        '\ufeffage,dose,site\n40,1.5,"Bern, Insel"\n50,,Basel\n\n60,3,Chur\n', encoding="utf-8"
    )
    table = open_source("train", str(tmp_path / "a.csv"), nothing)
    assert table["age"].dtype == np.int64
    assert np.array_equal(table["dose"], [1.5, np.nan, 3], equal_nan=True)
    assert table["site"].tolist() == ["Bern, Insel", "Basel", "Chur"]


def test_a_csv_file_without_rows_is_an_empty_table(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n", encoding="utf-8")
    assert len(open_source("train", str(tmp_path / "a.csv"), nothing)) == 0


def test_a_parquet_file_is_a_table(tmp_path):
    polars = pytest.importorskip("polars")
    polars.DataFrame({"x": [1.0, 2.0], "label": [0, 1]}).write_parquet(tmp_path / "a.parquet")
    table = open_source("train", str(tmp_path / "a.parquet"), nothing)
    assert table["x"].tolist() == [1.0, 2.0]


def test_a_folder_is_its_path(tmp_path):
    assert open_source("train", str(tmp_path), nothing) == Path(tmp_path)


def test_a_function_is_called():
    asked = []
    found = open_source(
        "train", "clinic.data:load", lambda ref, what: asked.append((ref, what)) or (lambda: [1, 2])
    )
    assert (found, asked) == ([1, 2], [("clinic.data:load", "--data train")])


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a.b:c", True),
        ("a:b", True),
        ("/a/b.csv", False),
        ("C:\\a.csv", False),
        ("a.csv", False),
        ("s3://a/b", False),
    ],
)
def test_a_function_is_told_from_a_path(source, expected):
    assert is_function(source) is expected


def test_a_file_that_is_not_there_is_named(tmp_path):
    assert code(tmp_path / "gone.csv") == "data.no-file"


def test_a_kind_of_file_that_nobody_knows_is_refused(tmp_path):
    (tmp_path / "a.xls").write_text("?")
    assert code(tmp_path / "a.xls") == "data.unknown-source"


@pytest.mark.parametrize(
    ("name", "body"),
    [("a.npz", b"no zip"), ("a.npz", b"PK\x03\x04"), ("a.csv", b"x,y\n1\n"), ("a.csv", b"x,x\n1,2\n"), ("a.csv", b"\xff\xfe\n"), ("a.csv", b""),
     ("a.safetensors", b"no"), ("a.parquet", b"no")],
)  # fmt: skip
def test_a_broken_file_is_named_as_such(tmp_path, name, body):
    if name.endswith(".parquet"):
        pytest.importorskip("polars")
    (tmp_path / name).write_bytes(body)
    assert code(tmp_path / name) in ("data.malformed-file", "data.no-columns")


def test_nothing_is_unpickled(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.array([{"a": 1}], dtype=object))
    assert code(tmp_path / "a.npz") == "data.malformed-file"
