"""How far two models are apart: held against numpy on the whole arrays."""

from __future__ import annotations

import math

import numpy as np
import pytest

from atoll.surfaces import _distance
from atoll.surfaces._distance import distances
from atoll.values import Arrays


@pytest.mark.parametrize("block", [7, 1 << 20])
def test_each_number_is_what_numpy_says_of_the_whole(block, monkeypatch):
    monkeypatch.setattr(_distance, "_BLOCK", block)
    rng = np.random.default_rng(0)
    a, b = (
        {"w": rng.normal(size=(5, 9)), "v": rng.normal(size=3)},
        {"w": rng.normal(size=(5, 9)), "v": rng.normal(size=3)},
    )
    found = distances(Arrays(a), Arrays(b))
    whole = [np.concatenate([m["w"].ravel(), m["v"]]) for m in (a, b)]
    for got, x, y in ((found.arrays["w"], a["w"].ravel(), b["w"].ravel()), (found.whole, *whole)):
        assert got.l2 == pytest.approx(np.linalg.norm(y - x))
        assert got.relative == pytest.approx(np.linalg.norm(y - x) / np.linalg.norm(x))
        assert got.largest == pytest.approx(np.abs(y - x).max())
        assert got.cosine == pytest.approx(x @ y / np.linalg.norm(x) / np.linalg.norm(y))
    assert not found.same


def test_the_same_is_the_same_to_the_bit_and_a_bit_less_is_not():
    a = np.ones(4, np.float32)
    b = a.copy()
    assert distances(Arrays({"w": a}), Arrays({"w": b})).same
    b[2] = np.nextafter(b[2], 2, dtype=np.float32)
    found = distances(Arrays({"w": a}), Arrays({"w": b})).arrays["w"]
    assert (found.same, found.largest) == (False, pytest.approx(1.19e-7, rel=0.01))
    minus = distances(Arrays({"w": np.zeros(2)}), Arrays({"w": -np.zeros(2)})).arrays["w"]
    assert (minus.same, minus.l2) == (False, 0.0)


def test_what_can_t_be_compared_is_named():
    a = Arrays({"w": np.zeros(3), "mine": np.zeros(1), "kind": np.zeros(2, np.int64)})
    b = Arrays({"w": np.zeros((3, 1)), "theirs": np.zeros(1), "kind": np.zeros(2, np.int32)})
    found = distances(a, b)
    assert found.only == (["mine"], ["theirs"])
    assert found.unlike == {"w": ("float64 (3,)", "float64 (3, 1)"), "kind": ("int64 (2,)", "int32 (2,)")}
    assert (found.arrays, found.whole, found.same) == ({}, None, False)


def test_numbers_that_are_none_are_none_and_never_raise():
    nan, zero, one = np.array([math.nan, 1.0]), np.zeros(2), np.ones(2)
    found = distances(
        Arrays({"n": nan, "z": zero, "e": np.zeros(0)}), Arrays({"n": one, "z": one, "e": np.zeros(0)})
    )
    assert (found.arrays["n"].l2, found.arrays["n"].largest) == (None, None)
    assert (found.arrays["z"].relative, found.arrays["z"].cosine) == (None, None)
    assert found.arrays["e"].same
    assert distances(Arrays({"n": nan}), Arrays({"n": nan})).same


def test_integers_and_narrow_floats_are_computed_in_float64():
    big = np.array([2**40, 0])
    found = distances(
        Arrays({"i": big, "h": np.float16([60000, 60000])}), Arrays({"i": big + 1, "h": np.float16([0, 0])})
    )
    assert found.arrays["i"].l2 == pytest.approx(math.sqrt(2))
    assert found.arrays["h"].l2 == pytest.approx(60000 * math.sqrt(2), rel=1e-3)
