"""The network sorts any number of rows, and settles any of their places."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rules_world import some

from atoll.algorithms._network import InOrder, network


@pytest.mark.parametrize("count", range(1, 15))
def test_it_sorts_everything_that_is_zero_or_one_and_so_everything(count: int) -> None:
    """Knuth, TAOCP volume 3, theorem 5.3.4Z: a network that sorts all 2^n sequences of zeros and ones sorts any."""
    sequences = (np.arange(1 << count) >> np.arange(count)[:, None]) & 1
    found = InOrder(range)(list(sequences.astype(np.uint8)))
    np.testing.assert_array_equal(found, np.sort(sequences, axis=0))


@some
@given(st.data(), st.integers(1, 70), st.sampled_from(["f4", "f8", "i2", "u8", "?"]))
def test_any_places_of_any_number_are_settled(data: Any, count: int, dtype: str) -> None:
    first = data.draw(st.integers(0, count - 1))
    wanted = range(first, data.draw(st.integers(first + 1, count)))
    rows = np.random.default_rng(count).normal(0, 50, (count, 9)).astype(dtype)
    before, sort = rows.copy(), InOrder(lambda _: wanted)
    for _ in range(2):  # the second time in room that was used
        np.testing.assert_array_equal(sort(list(rows)), np.sort(rows, axis=0)[wanted.start : wanted.stop])
    np.testing.assert_array_equal(rows, before, "the rows stay as they are")


def test_infinities_have_their_places() -> None:
    rows = [np.array([v], "f4") for v in (np.inf, 1.0, -np.inf, 0.0, np.inf)]
    assert np.ravel(InOrder(range)(rows)).tolist() == [-np.inf, 0.0, 1.0, np.inf, np.inf]


def test_a_median_takes_fewer_comparators_than_a_whole_order() -> None:
    assert len(network(20, range(9, 11))) < 0.85 * len(network(20, range(20)))
    assert network(1, range(1)) == ()


def test_room_for_other_rows_is_made_anew() -> None:
    sort = InOrder(range)
    for rows in (np.eye(3), np.eye(3, dtype="i4"), np.eye(3, 2), np.eye(4)):
        found = np.array(sort(list(rows)))
        np.testing.assert_array_equal(found, np.sort(rows, axis=0))
        assert found.dtype == rows.dtype
