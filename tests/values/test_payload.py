"""A payload is a few named values; what can't travel is refused where it is made."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll import Arrays, AtollError, Metrics
from atoll.values import checked, fresh, pack, to_bytes, unpack, unpack_buffer

_names = st.from_regex(r"[a-z_][a-z0-9_]{0,6}", fullmatch=True).filter(lambda n: n != "ctx")
_plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
_arrays = st.dictionaries(
    st.text(max_size=5).filter(lambda n: n != "__metadata__"),
    st.lists(st.integers(0, 9), max_size=4).map(lambda v: np.array(v, "i4")),
    max_size=3,
).map(Arrays)


def refused(payload: dict[Any, Any]) -> AtollError:
    with pytest.raises(AtollError) as caught:
        checked(payload)
    return caught.value


@given(st.dictionaries(_names, _arrays | _plain, max_size=4))
def test_what_is_packed_is_unpacked(payload: dict[str, Any]) -> None:
    assert unpack(pack(checked(payload))) == payload
    assert unpack_buffer(to_bytes(pack(checked(payload)))) == payload


def test_empty_arrays_and_no_payload_survive() -> None:
    assert unpack(pack({"model": Arrays()})) == {"model": Arrays()}
    assert unpack(pack({})) == {}


def test_numpy_scalars_metrics_and_tuples_become_plain() -> None:
    found = checked({"a": np.float32(0.5), "b": np.bool_(True), "c": (1, np.int8(2)), "d": Metrics({"x": 1})})
    assert found == {"a": 0.5, "b": True, "c": [1, 2], "d": {"x": 1}}
    assert [type(v) for v in found.values()] == [float, bool, list, dict]


@pytest.mark.parametrize("name", ["", "a-b", "1a", "ctx", "a b", 3, "x" * 129, "model/a"])
def test_a_name_that_can_be_no_parameter_is_refused(name: object) -> None:
    assert refused({name: 1}).code == "payload.bad-name"


@pytest.mark.parametrize(
    "value",
    [np.zeros(3), b"bytes", {1, 2}, object(), 1j, {1: 2}, 1 << 64, -(1 << 63) - 1, "half a pair \ud800", ["\udfff"],
     np.complex64(1), np.datetime64("2026-01-01"), np.longdouble(1), [Arrays(x=1)]],
    ids=lambda v: type(v).__name__,
)  # fmt: skip
def test_a_value_that_does_not_travel_is_refused(value: object) -> None:
    assert refused({"x": value}).code == "payload.bad-value"


def test_depth_and_size_of_plain_data_are_bounded() -> None:
    deep: Any = 1
    for _ in range(17):
        deep = [deep]
    assert refused({"x": deep}).code == "payload.bad-value"
    endless: list[Any] = []
    endless.append(endless)
    assert refused({"x": endless}).code == "payload.bad-value"
    assert refused({"x": "a" * (17 << 20)}).code == "payload.too-large"


def test_lists_are_copied_on_the_way_in() -> None:
    edges = [1, [2]]
    found = checked({"edges": edges})
    edges[1].append(3)  # type: ignore[attr-defined]
    assert found == {"edges": [1, [2]]}


def test_a_fresh_value_is_apart_from_the_one_that_is_kept() -> None:
    kept = {"a": [1, {"b": 2}]}
    handed_out = fresh(kept)
    handed_out["a"][1]["b"] = 3
    assert kept == {"a": [1, {"b": 2}]}


def test_nan_and_infinity_are_plain_numbers() -> None:
    found = unpack(pack(checked({"x": math.nan, "y": math.inf})))
    assert math.isnan(found["x"])
    assert found["y"] == math.inf
