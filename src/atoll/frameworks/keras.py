"""Models in keras 3, whatever computes them: their weights, by path.

Doesn't know the layers, the optimizer or who trains it.

Names are the weights' paths, such as `sequential/dense_1/kernel`. Keras counts the layers of a process and not of a model: a
number that keras gave is counted again from the model's own first layer, so that every node's copy has the same names.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from atoll.frameworks._match import must_match
from atoll.values import Array, Arrays, ArraysError

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # or tensorflow greets every process that imports it

try:
    import keras
except ModuleNotFoundError as error:
    if error.name != "keras":
        raise ModuleNotFoundError(
            f"keras computes with {error.name}, which is not installed: pip install 'atoll[tensorflow]', "
            "or name another backend that is, as in KERAS_BACKEND=jax",
            name=error.name,
        ) from None
    raise ModuleNotFoundError(
        "atoll.keras needs keras; install it: pip install 'atoll[tensorflow]'", name="keras"
    ) from None

__all__ = ["get_arrays", "set_arrays"]


def get_arrays(model: Any) -> Arrays:
    """Copies of a model's weights, by path and to the bit: what the model does next doesn't change them.

    BatchNormalization's moving statistics are among them, seeds, metrics and the optimizer are not; a layer that is used
    twice has one name. Raises `ArraysError` (`arrays.none`: the model isn't built; `arrays.bad-dtype`, `arrays.bad-name`).
    """
    weights = _weights(model)
    if keras.backend.backend() == "torch":  # keras widens or refuses what numpy lacks
        from atoll.frameworks import torch

        return torch.get_arrays(weights)
    return Arrays({name: np.array(_numpy(value), order="C") for name, value in weights.items()})


def set_arrays(model: Any, arrays: Mapping[str, Array]) -> None:
    """Write arrays into a model's weights, in place. Nothing is written unless all names, shapes and dtypes fit.

    Raises `ArraysError` (`arrays.other-names`, `arrays.other-shape`, `arrays.other-dtype`, and those of `get_arrays`).
    """
    weights = _weights(model)
    if keras.backend.backend() == "torch":
        from atoll.frameworks import torch

        return torch.set_arrays(weights, arrays)
    own = {name: _numpy(value) for name, value in weights.items()}
    must_match({name: (a.shape, a.dtype) for name, a in own.items()}, arrays, holder="model")
    for name, variable in _variables(model).items():
        variable.assign(
            np.array(arrays[name])
        )  # a copy: a backend may go on using the memory that it is given
    return None


def _weights(model: Any) -> dict[str, Any]:
    """The backend's own tensors by name."""
    return {name: variable.value for name, variable in _variables(model).items()}


def _numpy(value: Any) -> Array:
    array: Array = keras.ops.convert_to_numpy(value)
    return array


def _variables(model: Any) -> dict[str, Any]:
    if not model.weights:
        message = f"the model `{model.name}` has no weights yet"
        mend = "give it an Input layer, or call it once, so that keras builds it"
        raise ArraysError("arrays.none", message, mend)
    found: dict[str, Any] = {}
    for name, variable in _named(model):
        if name in found:
            message = f"two weights are both called `{name}`"
            raise ArraysError("arrays.bad-name", message, "give the layers names of their own: name=...")
        found[name] = variable
    return found


def _named(model: Any) -> Iterator[tuple[str, Any]]:
    """Each weight and its path, with the parts that keras numbered counted within this model."""
    counted: dict[tuple[str, str], dict[str, int]] = {}
    given = _given(model)
    for variable in model.weights:
        path = ""
        for part in variable.path.split("/"):
            if base := given.get(part):
                seen = counted.setdefault((path, base), {})
                number = seen.setdefault(part, len(seen))
                part = f"{base}_{number}" if number else base
            path = f"{path}/{part}" if path else part
        yield path, variable


def _given(model: Any) -> dict[str, str]:
    """The names that keras gave to layers, and what each is without its number: `dense_3` is a `dense`."""
    found = {}
    for layer in model._flatten_layers():
        base = _snake(type(layer).__name__)
        if name := re.fullmatch(rf"((?:forward_|backward_)?{base})(_\d+)?", layer.name):
            found[layer.name] = name[1]
    return found


def _snake(name: str) -> str:
    """What keras calls a layer of this class: `BatchNormalization` is `batch_normalization`."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
