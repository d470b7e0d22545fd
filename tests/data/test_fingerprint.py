"""Fingerprints of data sets: they tell a change, cost little, and read nothing that could have an effect."""

from __future__ import annotations

import random
import time

import numpy as np
import pytest

from atoll.data import Subset, Table, fingerprint, rows_of
from atoll.data._fingerprint import WHOLE


def table(**changed):
    columns = {
        "x": np.arange(12.0).reshape(4, 3),
        "label": np.array([0, 1, 1, 0]),
        "name": np.array(list("abcd")),
    }
    return Table({**columns, **changed})


def test_equal_tables_have_equal_fingerprints_wherever_their_rows_lie():
    assert fingerprint(table()) == fingerprint(table())
    double = Table({n: np.concatenate([table()[n], table()[n]]) for n in table().columns})
    assert fingerprint(double[4:]) == fingerprint(table())
    assert fingerprint(table()).startswith("whole:")
    assert len(fingerprint(table())) == len("whole:") + 32


@pytest.mark.parametrize(
    "changed",
    [
        {"label": np.array([0, 1, 0, 1])},
        {"label": np.array([0, 1, 1, 0], np.int32)},
        {"name": np.array(list("abce"))},
        {"x": np.arange(12.0).reshape(4, 3)[::-1]},
        {"x": np.arange(12.0).reshape(4, 3, 1)},
        {"more": np.zeros(4)},
        {"name": np.array(["a", "b", "c", None], object)},
    ],
)
def test_another_value_type_shape_order_or_column_is_another_fingerprint(changed):
    assert fingerprint(table(**changed)) != fingerprint(table())


def test_of_a_large_column_a_part_is_read_and_that_is_said():
    large = np.zeros((3 * WHOLE // 8, 1))
    found = fingerprint(Table(x=large))
    assert found.startswith("part:")
    large[-1] = 1
    assert fingerprint(Table(x=large)) != found  # its ends are always read
    begun = time.process_time()
    fingerprint(Table(x=np.zeros(1 << 26, np.uint8)))
    assert time.process_time() - begun < 0.2


def test_a_row_of_somebody_s_own_data_set_is_never_read():
    class Own:
        def __len__(self):
            return 10

        def __getitem__(self, row):
            raise AssertionError("it was read")

    before = random.getstate()
    found = fingerprint(Subset(Own(), [1, 2, 3]))
    assert found.startswith("rows:")
    assert found != fingerprint(Subset(Own(), [1, 2, 4]))
    assert rows_of(Subset(Own(), [1, 2, 3])) == 3
    assert random.getstate() == before


def test_a_folder_s_is_of_names_and_sizes(tmp_path):
    (tmp_path / "a").write_text("one")
    found = fingerprint(tmp_path)
    (tmp_path / "a").write_text("two")
    assert fingerprint(tmp_path) == found
    (tmp_path / "a").write_text("three")
    assert fingerprint(tmp_path) != found
    assert rows_of(tmp_path) is None


def test_a_salted_one_can_t_be_matched_with_another_s():
    mine, theirs = fingerprint(table(), salt=b"mine"), fingerprint(table(), salt=b"theirs")
    assert len({mine, theirs, fingerprint(table())}) == 3
    assert mine == fingerprint(table(), salt=b"mine")
