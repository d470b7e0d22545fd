"""Models in numpy: a mapping from names to arrays, or an object whose attributes are arrays.

Doesn't know what the arrays mean. A model that is a dictionary needs none of this: `weights = model.copy()`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from atoll.frameworks._match import must_match, some
from atoll.values import Array, Arrays, ArraysError

__all__ = ["get_arrays", "set_arrays"]


def get_arrays(model: Mapping[str, Any] | object) -> Arrays:
    """Copies of a model's arrays, by name: what the model does next doesn't change them.

    - of a mapping: every value, in its order
    - of an object, a dataclass say: every attribute that is a numpy array; other attributes stay out

    Raises `ArraysError` (`arrays.none`; `arrays.bad-dtype`, `arrays.bad-name` for what doesn't travel).
    """
    return Arrays({name: np.array(value, order="C") for name, value in _held(model).items()})


def set_arrays(model: Mapping[str, Any] | object, arrays: Mapping[str, Array]) -> None:
    """Write arrays into a model's own, in place: whoever holds one of them sees the new numbers.

    Nothing is written unless all names, shapes and dtypes fit.
    Raises `ArraysError` (`arrays.other-names`, `arrays.other-shape`, `arrays.other-dtype`, `arrays.read-only`).
    """
    own = _held(model)
    _must_be_writable(own)
    must_match({name: (a.shape, a.dtype) for name, a in own.items()}, arrays, holder="model")
    for name, array in own.items():
        np.copyto(array, arrays[name])


def _held(model: Mapping[str, Any] | object) -> Mapping[str, Any]:
    if isinstance(model, Mapping):
        return model
    named = (
        ((f.name, getattr(model, f.name)) for f in fields(model))
        if is_dataclass(model)
        else _attributes(model)
    )
    found = {name: value for name, value in named if isinstance(value, np.ndarray)}
    if not found:
        raise ArraysError(
            "arrays.none",
            f"a {type(model).__name__} has no attribute that is a numpy array",
            "hand in a mapping from names to arrays",
        )
    return found


def _attributes(model: object) -> Any:
    return getattr(model, "__dict__", {}).items()


def _must_be_writable(own: Mapping[str, Any]) -> None:
    stuck = [name for name, a in own.items() if not (isinstance(a, np.ndarray) and a.flags.writeable)]
    if stuck:
        raise ArraysError(
            "arrays.read-only",
            f"these of the model are no writable arrays: {some(stuck)}",
            "keep the model in arrays of its own, such as those that Arrays.copy() gives",
        )
