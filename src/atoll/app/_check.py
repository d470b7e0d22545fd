"""Is what a node answered fit to be folded: finite, and like what it was given.

Doesn't know what it means; it looks at names, shapes, dtypes and bits. It looks where the client function ran, and once more
where the answer came in, if a node elsewhere made it: whoever controls that node may have left the first look out.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from atoll.app._task import TRAIN, Reply, Task
from atoll.values import Array, Arrays, ArraysError, AtollError, Payload

_SMALL = 1 << 12  # elements that are looked at one by one at once
_STRIDE = 1 << 18  # elements looked at together
_BLAS = (np.dtype(np.float32), np.dtype(np.float64))
_AT_HAND = 1 << 16  # bytes of an answer that stay in memory between looking at it and folding it


def objection(task: Task, payload: Payload) -> str | None:
    """Why this can't be the answer to this task, in words; None when it can."""
    returned = False
    for name, value in payload.items():
        if isinstance(value, Arrays):
            returned = True
            wrong = _odd(task.payload.get(name), value) if task.alike else None
            if wrong:
                return f"the returned `{name}` is not fit to be folded: {wrong}"
    if (
        task.alike
        and not returned
        and task.action == TRAIN
        and any(isinstance(v, Arrays) for v in task.payload.values())
    ):
        return "it returned no arrays to be folded"
    return None


def unfit(task: Task, reply: Reply) -> str | None:
    """Why the reply of a node elsewhere can't be the answer to this task; None when it can. Its arrays are read, and let go."""
    try:
        wrong = objection(task, reply.payload)
    except ArraysError as error:
        return f"what it returned can't be read: {error.message}"
    reply.put_back(_AT_HAND)
    return wrong


def invalid(node: str, why: str) -> AtollError:
    """What ends a run that is to end at the first answer that can't count."""
    return AtollError("reply.invalid", f"{node}: {why}", "return what the task asked for")


def _odd(asked: Any, returned: Arrays) -> str | None:
    wrong = asked.difference(returned) if isinstance(asked, Arrays) else None
    if wrong:
        return str(wrong)
    for name, array in returned.items():
        if array.dtype.kind not in "biu" and not _finite(array):
            return f"`{name}` holds NaN or infinite numbers"
    return None


def _finite(array: Array) -> bool:
    if array.size <= _SMALL:
        return bool(np.isfinite(array).all())
    flat = array.reshape(-1)
    if (
        array.dtype in _BLAS
    ):  # one pass: a NaN or an infinity shows in the sum of squares, and so does an overflow
        with np.errstate(all="ignore"):
            if math.isfinite(flat.dot(flat)):
                return True
    return all(bool(np.isfinite(flat[at : at + _STRIDE]).all()) for at in range(0, flat.size, _STRIDE))
