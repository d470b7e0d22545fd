"""Ids of runs, and the seeds that are derived from a run's own.

Doesn't know what draws the random numbers; a seed is a number, the same on every machine.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from hashlib import blake2b

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's: no i, l, o, u


def new_run_id() -> str:
    """A new random id of 12 characters; its first few are enough to name a run among others."""
    number = int.from_bytes(os.urandom(8), "big")
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(0, 60, 5))


def derive_seed(seed: int, *path: int | str) -> int:
    """A 63-bit seed for one place in a run, e.g. (seed, round, ordinal, node).

    Counter-based: it depends on the place alone and never on what was drawn before, so that any order of
    execution, on any number of workers, draws the same numbers.
    """
    return seeds_below(seed, *path[:-1])(str(path[-1])) if path else seeds_below(seed)("")


def seeds_below(seed: int, *path: int | str) -> Callable[[str], int]:
    """`derive_seed(seed, *path, name)` as a function of the name: what many names share is hashed once."""
    shared = blake2b("/".join(map(str, (seed, *path, ""))).encode(), digest_size=8)

    def derived(name: str) -> int:
        hasher = shared.copy()
        hasher.update(name.encode())
        return int.from_bytes(hasher.digest(), "little") >> 1

    return derived
