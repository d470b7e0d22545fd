"""Arrays whose every bit is random, in each dtype that travels: what adapters have to keep."""

from __future__ import annotations

import ml_dtypes
import numpy as np

EXTENDED = ("bfloat16", "float8_e5m2", "float8_e4m3fn")
PLAIN = (
    "bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64",
    "float16", "float32", "float64", "complex64",
)  # fmt: skip
DTYPES = PLAIN + EXTENDED


def dtype_of(name: str) -> np.dtype:
    return np.dtype(getattr(ml_dtypes, name) if name in EXTENDED else name)


def bits(name: str, shape: tuple[int, ...], *, seed: int = 0) -> np.ndarray:
    """Random bits, NaNs and all (a truth value's is 0 or 1)."""
    rng, dtype = np.random.default_rng(seed), dtype_of(name)
    if name == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    count = int(np.prod(shape)) * dtype.itemsize
    return rng.integers(0, 256, count, dtype=np.uint8).view(dtype).reshape(shape)
