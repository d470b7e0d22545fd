"""Metrics are named numbers, truth values and short texts; nothing else gets in."""

from __future__ import annotations

import enum
import math

import msgspec
import numpy as np
import pytest

from atoll import AtollError, Metrics


class Grade(enum.IntEnum):
    GOOD = 3


def test_scalars_of_any_library_become_plain() -> None:
    given = {"a": np.float32(0.5), "b": np.int64(3), "c": np.bool_(True), "d": np.array(2.0), "e": Grade.GOOD, "f": np.float64(1),
             "g": "text", "h": True, "i": np.str_("t")}  # fmt: skip
    found = Metrics(given).plain()
    assert found == {
        "a": 0.5,
        "b": 3,
        "c": True,
        "d": 2.0,
        "e": 3,
        "f": 1.0,
        "g": "text",
        "h": True,
        "i": "t",
    }
    assert [type(v) for v in found.values()] == [float, int, bool, float, int, float, str, bool, str]
    assert msgspec.json.decode(msgspec.json.encode(found)) == found


def test_torch_scalars_become_plain() -> None:
    torch = pytest.importorskip("torch")
    assert Metrics({"a": torch.tensor(2.5)}).plain() == {"a": 2.5}


@pytest.mark.parametrize(
    "value",
    [None, [1], {"a": 1}, np.zeros(2), np.zeros(1), 1j, np.complex64(1), b"x", object(), "x" * 4097, 1 << 63, -(1 << 64),
     10**5000, "half a pair \ud800", np.array("2026", "datetime64[Y]")],
    ids=lambda v: repr(v)[:15] if not isinstance(v, int) else f"{v.bit_length()} bits",
)  # fmt: skip
def test_anything_else_is_refused_with_the_metrics_name(value: object) -> None:
    with pytest.raises(AtollError, match="`loss`") as refused:
        Metrics({"loss": value})
    assert refused.value.code == "metrics.bad-value"


@pytest.mark.parametrize("name", ["", 3, None, "x" * 257, "\ud800"])
def test_a_name_is_a_short_text(name: object) -> None:
    with pytest.raises(AtollError) as refused:
        Metrics({name: 1})  # type: ignore[dict-item]
    assert refused.value.code == "metrics.bad-name"


def test_there_is_a_limit_to_their_number() -> None:
    Metrics({f"m{i}": i for i in range(4096)})
    with pytest.raises(AtollError, match="4097") as refused:
        Metrics({f"m{i}": i for i in range(4097)})
    assert refused.value.code == "metrics.too-many"


def test_nan_is_a_number_and_texts_are_not() -> None:
    found = Metrics({"loss": math.nan, "best": True, "note": "x"}).numbers()
    assert list(found) == ["loss", "best"]
    assert math.isnan(found["loss"])


def test_they_are_a_mapping_that_cannot_change() -> None:
    metrics = Metrics({"a": 1})
    metrics.plain()["a"] = 2
    assert dict(metrics) == {"a": 1}
    with pytest.raises(TypeError):
        metrics["a"] = 2  # type: ignore[index]
