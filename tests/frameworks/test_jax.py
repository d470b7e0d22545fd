"""Trees of jax arrays, and flax's modules, become Arrays and come back to the bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from atoll import Arrays, AtollError

jax = pytest.importorskip("jax")
flax = pytest.importorskip("flax")

from flax import linen, nnx  # noqa: E402
from framework_bits import DTYPES, bits  # noqa: E402
from jax import numpy as jnp  # noqa: E402

from atoll.jax import get_arrays, set_arrays  # noqa: E402

PARAMS = {"params": {"Dense_0": {"kernel": np.ones((2, 3), np.float32), "bias": np.zeros(3, np.float32)}}}


class Net(nnx.Module):
    """Some of everything: weights, moving statistics, random streams, a list, one layer by two names."""

    def __init__(self, seed: int) -> None:
        rngs = nnx.Rngs(seed)
        self.first = nnx.Linear(2, 3, rngs=rngs)
        self.norm = nnx.BatchNorm(3, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.more = nnx.List([nnx.Linear(3, 3, rngs=rngs)])
        self.again = self.first


def code_of(call: object, *args: object) -> str:
    with pytest.raises(AtollError) as caught:
        call(*args)
    assert caught.value.mend
    return caught.value.code


@pytest.mark.parametrize("name", DTYPES)
def test_every_dtype_comes_back_to_the_bit(name: str, tmp_path: Path) -> None:
    with jax.enable_x64(True):
        tree = {
            "scalar": jnp.zeros((), name),
            "none": jnp.zeros((0, 3), name),
            "some": jnp.zeros((2, 3), name),
        }
    source = {key: bits(name, leaf.shape) for key, leaf in tree.items()}
    Arrays(source).save(tmp_path / "model.safetensors")
    filled = set_arrays(tree, Arrays.load(tmp_path / "model.safetensors"))
    back = get_arrays(filled)
    assert {key: leaf.dtype.name for key, leaf in filled.items()} == dict.fromkeys(tree, name)
    assert {key: a.tobytes() for key, a in back.items()} == {key: a.tobytes() for key, a in source.items()}


def test_names_are_paths_and_a_tree_is_left_as_it_was() -> None:
    tree = jax.tree.map(jnp.asarray, PARAMS) | {"layers": [jnp.zeros(1), jnp.ones(1)]}
    arrays = get_arrays(tree)
    assert list(arrays) == ["layers.0", "layers.1", "params.Dense_0.bias", "params.Dense_0.kernel"]
    new = set_arrays(tree, {name: a + 1 for name, a in arrays.items()})
    assert new["params"]["Dense_0"]["bias"].tolist() == [1, 1, 1]
    assert isinstance(new["params"]["Dense_0"]["bias"], jax.Array)
    assert get_arrays(tree) == arrays


def test_linens_variables_go_and_come() -> None:
    net = linen.Sequential([linen.Dense(3), linen.BatchNorm(use_running_average=False)])
    first, second = (net.init(jax.random.key(seed), jnp.ones((1, 2))) for seed in (0, 1))
    assert "batch_stats.layers_1.mean" in get_arrays(first)
    assert get_arrays(set_arrays(second, get_arrays(first))) == get_arrays(first)


def test_an_nnx_module_is_changed_in_place_and_keeps_its_random_streams() -> None:
    net, other = Net(0), Net(1)
    arrays, key = get_arrays(net), jax.random.key_data(other.dropout.rngs.key[...])
    assert list(arrays) == [
        "again.bias", "again.kernel", "more.0.bias", "more.0.kernel", "norm.bias", "norm.mean", "norm.scale", "norm.var",
    ]  # fmt: skip
    assert set_arrays(other, arrays) is other
    assert get_arrays(other) == arrays
    assert other.first is other.again
    np.testing.assert_array_equal(jax.random.key_data(other.dropout.rngs.key[...]), key)


def test_neither_side_sees_what_the_other_does_next() -> None:
    mine = {"w": np.zeros(1000, np.float32)}
    tree = set_arrays({"w": jnp.ones(1000)}, mine)
    mine["w"] += 1
    assert not tree["w"].any()
    taken = get_arrays(tree)["w"]
    jax.jit(lambda w: w + 1, donate_argnums=0)(tree["w"]).block_until_ready()
    assert not taken.any()


def test_a_leaf_of_numpys_stays_one() -> None:
    new = set_arrays(PARAMS, get_arrays(PARAMS))
    assert type(new["params"]["Dense_0"]["bias"]) is np.ndarray
    assert new["params"]["Dense_0"]["bias"].flags.writeable


def test_random_keys_are_refused_in_words() -> None:
    with pytest.raises(AtollError, match="`key` is a random key") as caught:
        get_arrays({"w": jnp.ones(2), "key": jax.random.key(0)})
    assert caught.value.code == "arrays.bad-dtype"
    assert "ctx.seed" in caught.value.mend


def test_what_is_no_model_is_refused() -> None:
    assert code_of(get_arrays, {}) == "arrays.none"
    assert code_of(get_arrays, {"step": 3}) == "arrays.not-a-tensor"
    assert code_of(get_arrays, {"a": {"b": jnp.ones(1)}, "a.b": jnp.ones(1)}) == "arrays.bad-name"
    assert code_of(get_arrays, {"small": jnp.zeros(2, "int4")}) == "arrays.bad-dtype"
    assert code_of(jax.jit(get_arrays), {"w": jnp.ones(2)}) == "arrays.not-a-tensor"


def test_arrays_of_another_model_are_refused_and_nothing_is_written() -> None:
    net = Net(0)
    before = get_arrays(net)
    changed = {name: a + 1 for name, a in before.items()}
    assert code_of(set_arrays, net, changed | {"extra": np.zeros(1)}) == "arrays.other-names"
    assert code_of(set_arrays, net, changed | {"norm.var": np.zeros(2, "f4")}) == "arrays.other-shape"
    assert code_of(set_arrays, net, changed | {"norm.var": np.zeros(3, "f8")}) == "arrays.other-dtype"
    assert get_arrays(net) == before
