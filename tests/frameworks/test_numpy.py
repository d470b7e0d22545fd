"""Models in numpy become Arrays and come back."""

from __future__ import annotations

from dataclasses import dataclass, field

import ml_dtypes
import numpy as np
import pytest

from atoll import Arrays, AtollError
from atoll.numpy import get_arrays, set_arrays


@dataclass(slots=True)
class Regression:
    weight: np.ndarray = field(default_factory=lambda: np.zeros((3, 2), np.float32))
    bias: np.ndarray = field(default_factory=lambda: np.zeros(2, np.float32))
    name: str = "regression"


class Counter:
    def __init__(self) -> None:
        self.counts, self.title = np.zeros(4, np.int64), "counter"


def of_any_kind() -> dict[str, np.ndarray]:
    return {
        "turned": np.arange(6.0).reshape(2, 3).T,
        "number": np.array(3),
        "empty": np.zeros((0, 2), np.float16),
        "narrow": np.arange(4).astype(ml_dtypes.bfloat16),
        "truth": np.array([True, False]),
    }


def test_a_dictionary_goes_and_comes_back() -> None:
    source, target = of_any_kind(), {name: np.zeros_like(a) for name, a in of_any_kind().items()}
    set_arrays(target, get_arrays(source))
    assert list(get_arrays(target)) == list(source)
    assert get_arrays(target) == get_arrays(source)


@pytest.mark.parametrize(("make", "names"), [(Regression, ["weight", "bias"]), (Counter, ["counts"])])
def test_of_an_object_the_attributes_that_are_arrays_travel(make: type, names: list[str]) -> None:
    model, other = make(), make()
    for name in names:
        getattr(model, name)[...] = 7
    assert list(get_arrays(model)) == names
    set_arrays(other, get_arrays(model))
    assert get_arrays(other) == get_arrays(model)


def test_other_attributes_of_an_object_stay_as_they_are() -> None:
    model = Regression(name="mine")
    set_arrays(model, Arrays(weight=np.ones((3, 2), np.float32), bias=np.ones(2, np.float32)))
    assert (model.name, model.bias.tolist()) == ("mine", [1, 1])


def test_what_the_model_does_next_does_not_change_the_arrays() -> None:
    weights = {"w": np.zeros(3)}
    arrays = get_arrays(weights)
    weights["w"] += 1
    assert arrays["w"].tolist() == [0, 0, 0]


def test_arrays_are_written_in_place() -> None:
    weights = {"w": np.zeros(3)}
    held = weights["w"]
    set_arrays(weights, Arrays(w=np.ones(3)))
    assert held.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("arrays", "code", "said"),
    [
        ({}, "arrays.other-names", "missing `a`, `b`"),
        ({"a": np.zeros(2), "c": np.zeros(2)}, "arrays.other-names", "missing `b`; unexpected `c`"),
        ({"a": np.zeros(2), "b": np.zeros((2, 1))}, "arrays.other-shape", "`b` is (2, 1), not (2,)"),
        ({"a": np.zeros(2, int), "b": np.zeros(2)}, "arrays.other-dtype", "`a` is int64, not float64"),
    ],
)
def test_arrays_of_another_model_are_refused_and_nothing_is_written(arrays, code: str, said: str) -> None:
    model = {"a": np.ones(2), "b": np.ones(2)}
    with pytest.raises(AtollError) as caught:
        set_arrays(model, arrays)
    assert caught.value.code == code
    assert said in caught.value.message
    assert get_arrays(model) == Arrays(a=np.ones(2), b=np.ones(2))


@pytest.mark.parametrize("model", [Arrays(w=np.zeros(2)), {"w": 3.0}])
def test_a_model_that_cannot_be_written_to_is_refused(model: object) -> None:
    with pytest.raises(AtollError) as caught:
        set_arrays(model, Arrays(w=np.zeros(2)))
    assert caught.value.code == "arrays.read-only"


def test_an_object_without_arrays_is_refused() -> None:
    with pytest.raises(AtollError) as caught:
        get_arrays(object())
    assert caught.value.code == "arrays.none"


def test_many_wrong_names_are_counted_and_not_all_listed() -> None:
    with pytest.raises(AtollError, match=r"missing `n0`, `n1`, `n2`, `n3` and 96 more"):
        set_arrays({f"n{i}": np.zeros(1) for i in range(100)}, {})
