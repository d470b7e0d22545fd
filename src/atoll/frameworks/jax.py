"""Models in jax: any tree of arrays (flax linen's parameters, a dictionary, a dataclass), or a flax nnx module.

Doesn't know what the model computes, which library made the tree, or who trains it.

An array is named by its path, parts joined by dots: `params.Dense_0.kernel`. Random keys are no part of a model: a tree that
holds one is refused, and an nnx module keeps its random streams to itself.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np

from atoll.frameworks._match import must_match
from atoll.values import Array, Arrays, ArraysError

try:
    import jax
except ModuleNotFoundError as error:
    if error.name != "jax":
        raise
    raise ModuleNotFoundError(
        "atoll.jax needs jax; install it: pip install 'atoll[jax]'", name="jax"
    ) from None

__all__ = ["get_arrays", "set_arrays"]

Tree = TypeVar("Tree")


def get_arrays(model: Any) -> Arrays:
    """Copies of a model's arrays, by path and to the bit.

    - of a tree: every leaf, which is a jax or numpy array; a number is none, since it would not come back as one
    - of an nnx module: every variable but random streams; what two layers share has one name

    Raises `ArraysError` (`arrays.none`, `arrays.not-a-tensor`, `arrays.bad-dtype`, `arrays.bad-name`).
    """
    leaves = _leaves(_state(model))
    if not leaves:
        message, mend = f"there is no array in this {type(model).__name__}", "hand in the tree of parameters"
        raise ArraysError("arrays.none", message, mend)
    return Arrays({name: np.array(leaf, order="C") for name, leaf in leaves.items()})


def set_arrays(model: Tree, arrays: Mapping[str, Array]) -> Tree:
    """The model with these arrays: a new tree like it, since trees don't change; an nnx module itself, changed in place.

    Each array goes to the devices its predecessor lies on. Nothing is set unless all names, shapes and dtypes fit.
    Raises `ArraysError` (`arrays.other-names`, `arrays.other-shape`, `arrays.other-dtype`, and those of `get_arrays`).
    """
    state = _state(model)
    leaves = _leaves(state)
    must_match({name: (leaf.shape, leaf.dtype) for name, leaf in leaves.items()}, arrays, holder="model")
    new = [_like(leaf, arrays[name]) for name, leaf in leaves.items()]
    filled = jax.tree_util.tree_unflatten(jax.tree_util.tree_structure(state), new)
    if state is model:
        return filled  # type: ignore[no-any-return]  # jax tells nobody
    _nnx().update(model, filled)
    return model


def _leaves(state: Any) -> dict[str, Any]:
    """The arrays of a tree by the names of their paths, in the tree's order."""
    found: dict[str, Any] = {}
    for path, leaf in jax.tree_util.tree_flatten_with_path(state)[0]:
        name = _name(path)
        if name in found:
            message = f"two arrays are both called `{name}`: a key of the tree has a dot in it"
            raise ArraysError("arrays.bad-name", message, "rename the one or the other")
        _must_travel(name, leaf)
        found[name] = leaf
    return found


def _name(path: tuple[Any, ...]) -> str:
    """`params.Dense_0.kernel`; the box that flax may have around an array is not part of its name."""
    parts = [str(getattr(p, "key", getattr(p, "name", getattr(p, "idx", p)))) for p in path]
    if len(parts) > 1 and parts[-1] == "value" and isinstance(path[-1], jax.tree_util.GetAttrKey):
        parts.pop()
    return ".".join(parts) or "value"


def _must_travel(name: str, leaf: Any) -> None:
    if isinstance(leaf, jax.core.Tracer):
        message = f"`{name}` is being traced and has no value yet"
        raise ArraysError("arrays.not-a-tensor", message, "take arrays outside of jit, grad and vmap")
    if not isinstance(leaf, jax.Array | np.ndarray):
        message = f"`{name}` is a {type(leaf).__name__}, not an array, and doesn't travel"
        mend = "hand in the tree of parameters, such as a train state's `params`"
        raise ArraysError("arrays.not-a-tensor", message, mend)
    if jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        message = f"`{name}` is a random key, which is no part of a model: nodes would draw the same numbers"
        mend = "leave it out of the tree, and make one where it is used: jax.random.key(ctx.seed % 2**32)"
        raise ArraysError("arrays.bad-dtype", message, mend)


def _like(leaf: Any, array: Array) -> Any:
    """A copy of the array, of the leaf's kind and in its place."""
    if isinstance(leaf, np.ndarray):
        return np.array(array)
    with jax.enable_x64(True) if array.dtype.itemsize == 8 else contextlib.nullcontext():
        # a copy that nobody else holds: jax may read a host's array later, or go on reading it
        return jax.device_put(np.array(array), leaf.sharding if leaf.committed else None)


def _state(model: Any) -> Any:
    """What of an nnx module travels; anything else is a tree as it is."""
    if "flax" not in sys.modules or not isinstance(model, _nnx().Module):
        return model
    return _nnx().state(model, _nnx().Not(_nnx().RngState))


def _nnx() -> Any:
    from flax import nnx

    return nnx
