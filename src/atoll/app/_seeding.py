"""The global random generators (Python's, numpy's, torch's once it is imported): seeded by place, never by history.

Doesn't know who draws from them. `ctx.rng` is the better way; these are for code that never heard of it.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import numpy as np

_pythons: random.Random = getattr(random.seed, "__self__")  # noqa: B009 - the generator behind the module's functions
_seed_pythons = super(random.Random, _pythons).seed  # what random.seed comes to for an int, at half its price


def seed_everything(seed: int) -> None:
    """Seed the global generators that user code, or a library that it calls, may draw from."""
    _seed_pythons(seed)
    _pythons.gauss_next = None  # type: ignore[attr-defined]  # typeshed leaves it out
    np.random.seed(seed & 0xFFFFFFFF)
    torch = sys.modules.get("torch")
    if torch is None:
        return
    if _has_devices():
        torch.manual_seed(seed)
    else:  # which formats the whole stack for each kind of device that may still come, a millisecond each time
        torch.default_generator.manual_seed(seed)


@cache
def _has_devices() -> bool:
    torch = sys.modules["torch"]
    return bool(torch.cuda.is_available() or torch.xpu.is_available() or torch.backends.mps.is_available())


@contextmanager
def apart(seed: int) -> Iterator[None]:
    """A stretch with a seed of its own, after which the generators go on as if it had not been.

    For what only the first task of a worker does (making a net, opening data): which task that is depends on the workers.
    """
    torch = sys.modules.get("torch")
    before = random.getstate(), np.random.get_state(), torch.get_rng_state() if torch is not None else None
    seed_everything(seed)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        if torch is not None:
            torch.set_rng_state(before[2])
