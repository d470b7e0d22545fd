"""Ids of runs, and the seeds that are derived from a run's own.

Doesn't know what draws the random numbers; a seed is a number, the same on every machine.
"""

from __future__ import annotations

import os
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
    digest = blake2b("/".join(map(str, (seed, *path))).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
