"""Is what a client function returned fit to be folded: finite, and like what it was given.

Doesn't know what it means; it looks at names, shapes, dtypes and bits.
"""

from __future__ import annotations

import math

import numpy as np

from atoll.app._task import TRAIN, Task, Update
from atoll.values import Array, Arrays, Payload

_STRIDE = 1 << 18  # elements looked at together
_BLAS = (np.dtype(np.float32), np.dtype(np.float64))


def objection(task: Task, update: Update) -> str | None:
    """Why this update can't be the answer to this task, in words; None when it can."""
    if (
        task.alike
        and task.action == TRAIN
        and not _holds_arrays(update.payload)
        and _holds_arrays(task.payload)
    ):
        return "it returned no arrays to be folded"
    for name, value in update.payload.items():
        if isinstance(value, Arrays):
            asked = task.payload.get(name) if task.alike else None
            wrong = asked.difference(value) if isinstance(asked, Arrays) else None
            wrong = wrong or (_not_finite(value) if task.alike else None)
            if wrong:
                return f"the returned `{name}` is not fit to be folded: {wrong}"
    return None


def _holds_arrays(payload: Payload) -> bool:
    return any(isinstance(v, Arrays) for v in payload.values())


def _not_finite(arrays: Arrays) -> str | None:
    for name, array in arrays.items():
        if not (_finite_sum(array) or array.dtype.kind in "biu" or _finite(array)):
            return f"`{name}` holds NaN or infinite numbers"
    return None


def _finite_sum(array: Array) -> bool:
    """Whether the sum of squares is finite, and so every number; a quick yes, or don't know."""
    if array.dtype not in _BLAS:
        return False
    flat = array.reshape(-1)
    with np.errstate(all="ignore"):
        return math.isfinite(flat.dot(flat))


def _finite(array: Array) -> bool:
    flat = array.reshape(-1)
    return all(bool(np.isfinite(flat[at : at + _STRIDE]).all()) for at in range(0, flat.size, _STRIDE))
