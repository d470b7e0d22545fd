"""Keras models become Arrays, by names that don't depend on what else was made, and come back to the bit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from atoll import Arrays, AtollError

pytest.importorskip("keras")

try:
    from atoll.keras import get_arrays, set_arrays
except ModuleNotFoundError as error:
    pytest.skip(str(error), allow_module_level=True)

import keras
from framework_bits import DTYPES, bits, dtype_of
from keras import layers

BACKEND = keras.backend.backend()
MISSING = {  # what a backend computes otherwise than it was asked to
    "jax": {"uint64", "int64", "float64"},
    "torch": {"uint16", "uint32", "uint64"},
}.get(BACKEND, set())


def sequential() -> keras.Model:
    return keras.Sequential(
        [
            layers.Input((4,)),
            layers.Dense(3),
            layers.BatchNormalization(),
            layers.Dropout(0.5),
            layers.Dense(2),
            layers.Dense(2, name="head_7"),
        ]
    )


class Written(keras.Model):
    """A model with layers in layers, each numbered by keras."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = sequential()
        self.both = layers.Bidirectional(layers.GRU(2))

    def call(self, x):
        return self.both(self.inner(x)[:, None])


def built() -> keras.Model:
    model = Written()
    model(np.ones((1, 4), np.float32))
    return model


def code_of(call: object, *args: object) -> str:
    with pytest.raises(AtollError) as caught:
        call(*args)
    assert caught.value.mend
    return caught.value.code


@pytest.mark.parametrize("name", [name for name in DTYPES if name not in MISSING])
def test_every_dtype_comes_back_to_the_bit(name: str, tmp_path: Path) -> None:
    class Held(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            first = np.zeros((2, 3), dtype_of(name)) if BACKEND != "torch" else np.zeros((2, 3))
            self.some = keras.Variable(first, dtype=name, trainable=False, name="some")

    source = {"some": bits(name, (2, 3))}
    Arrays(source).save(tmp_path / "model.safetensors")
    model = Held()
    set_arrays(model, Arrays.load(tmp_path / "model.safetensors"))
    assert get_arrays(model)["some"].dtype == dtype_of(name)
    assert get_arrays(model)["some"].tobytes() == source["some"].tobytes()


def test_two_models_of_one_process_have_the_same_names() -> None:
    first, second = sequential(), sequential()
    assert list(get_arrays(first)) == list(get_arrays(second))
    assert list(get_arrays(second)) == [
        "sequential/dense/kernel",
        "sequential/dense/bias",
        "sequential/batch_normalization/gamma",
        "sequential/batch_normalization/beta",
        "sequential/batch_normalization/moving_mean",
        "sequential/batch_normalization/moving_variance",
        "sequential/dense_1/kernel",
        "sequential/dense_1/bias",
        "sequential/head_7/kernel",
        "sequential/head_7/bias",
    ]


def test_a_nested_model_is_another_with_its_arrays() -> None:
    first, second, x = built(), built(), np.ones((1, 4), np.float32)
    assert "written/bidirectional/backward_gru/gru_cell/kernel" in get_arrays(first)
    assert get_arrays(first) != get_arrays(second)
    set_arrays(second, get_arrays(first))
    assert get_arrays(first) == get_arrays(second)
    np.testing.assert_array_equal(*(keras.ops.convert_to_numpy(model(x)) for model in (first, second)))


def test_a_layer_that_is_used_twice_has_one_name() -> None:
    x, shared = keras.Input((4,)), layers.Dense(4)
    assert list(get_arrays(keras.Model(x, shared(shared(x))))) == ["dense/kernel", "dense/bias"]


def test_neither_side_sees_what_the_other_does_next() -> None:
    model = sequential()
    mine = get_arrays(model).copy()
    set_arrays(model, mine)
    before = get_arrays(model)
    for array in mine.values():
        array += 1
    assert get_arrays(model) == before
    set_arrays(model, mine)
    assert get_arrays(model) != before


def test_what_is_not_built_or_goes_by_one_name_twice_is_refused() -> None:
    assert code_of(get_arrays, keras.Sequential([layers.Dense(3)])) == "arrays.none"

    class Twice(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.parts = [keras.Variable(np.zeros(1), name="one") for _ in range(2)]

    assert code_of(get_arrays, Twice()) == "arrays.bad-name"


def test_arrays_of_another_model_are_refused_and_nothing_is_written() -> None:
    model = sequential()
    before = get_arrays(model)
    changed = {name: a + 1 for name, a in before.items()}
    bias = "sequential/head_7/bias"
    assert code_of(set_arrays, model, changed | {"extra": np.zeros(1)}) == "arrays.other-names"
    assert code_of(set_arrays, model, changed | {bias: np.zeros(3, np.float32)}) == "arrays.other-shape"
    assert code_of(set_arrays, model, changed | {bias: np.zeros(2)}) == "arrays.other-dtype"
    assert get_arrays(model) == before


@pytest.mark.long
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_pass_these_tests_too(backend: str) -> None:
    pytest.importorskip(backend)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-m", "not long", __file__],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
