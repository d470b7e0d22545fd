"""Arithmetic on what moves in a model: its floats. Whole numbers and truth values (counters of batches, masks) don't move.

Doesn't know which method computes. Floats narrower than float32 are computed in float32, others in their own precision.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from atoll.values import Array, Arrays, ConfigError

Function = Callable[..., Any]


def moves(array: Array) -> bool:
    """Whether an array is of floats (or complex numbers), of any width."""
    return array.dtype.kind not in "biu"


def zeros(model: Mapping[str, Array], *, real: bool = False) -> Arrays:
    """Zeros for all that moves, as wide as it is computed in; `real` for what is a size: it has no imaginary part."""
    moving = {n: np.zeros(a.shape, _wide(a)) for n, a in model.items() if moves(a)}
    return Arrays({n: a.real if real else a for n, a in moving.items()})


def computed(function: Function, *operands: Mapping[str, Array]) -> Arrays:
    """`function(a, b, ...)` for each array that moves in the first operand; the results stay as wide as they are computed."""
    return Arrays({n: _kept_wide(_at(function, n, operands), a) for n, a in operands[0].items() if moves(a)})


def moved(function: Function, *operands: Mapping[str, Array], rest: Mapping[str, Array]) -> Arrays:
    """The same, in the dtypes of the first operand, a model; what doesn't move in it is taken from `rest`."""
    model = operands[0]
    return Arrays(
        {n: _back(_at(function, n, operands), a) if moves(a) else rest[n] for n, a in model.items()}
    )


def squared_length(difference: Mapping[str, Array]) -> float:
    """||d||^2 over all arrays that move, in float64."""
    return math.fsum(_square_sum(a) for a in difference.values() if moves(a))


def positive(owner: str, **options: float) -> None:
    """Refuse options that are not finite and over 0. Raises `ConfigError` (`algorithm.invalid`)."""
    for name, value in options.items():
        if not 0 < value < math.inf:
            raise invalid(owner, f"{name} is finite and over 0, not {value}")


def not_negative(owner: str, **options: float) -> None:
    """Refuse options that are not finite and at least 0. Raises `ConfigError` (`algorithm.invalid`)."""
    for name, value in options.items():
        if not 0 <= value < math.inf:
            raise invalid(owner, f"{name} is finite and not negative, not {value}")


def decaying(owner: str, **options: float) -> None:
    """Refuse what is not from 0 to below 1. Raises `ConfigError` (`algorithm.invalid`)."""
    for name, value in options.items():
        if not 0 <= value < 1:
            raise invalid(owner, f"{name} is from 0 to below 1, not {value}")


def invalid(owner: str, message: str, mend: str = "") -> ConfigError:
    """An option that makes no sense."""
    return ConfigError("algorithm.invalid", f"{owner}: {message}", mend)


def _at(function: Function, name: str, operands: tuple[Mapping[str, Array], ...]) -> Any:
    return function(*(_widened(o[name]) for o in operands))


def _wide(array: Array) -> np.dtype[Any]:
    return array.dtype if array.dtype.kind in "fc" and array.dtype.itemsize >= 4 else np.dtype(np.float32)


def _widened(array: Array) -> Array:
    return np.asarray(array).astype(_wide(array), copy=False)


def _kept_wide(result: Any, like: Array) -> Array:
    found, wide = np.asarray(result), _wide(like)
    return (
        found.astype(wide, copy=False) if found.dtype.kind == wide.kind else found
    )  # a size of complex numbers is real


def _back(result: Any, like: Array) -> Array:
    return np.asarray(result).astype(like.dtype, copy=False)


def _square_sum(array: Array) -> float:
    flat = _widened(array).reshape(-1)
    return (
        float(np.vdot(flat, flat).real)
        if flat.dtype.itemsize >= 8
        else float(np.einsum("i,i->", flat, flat, dtype=np.float64))
    )
