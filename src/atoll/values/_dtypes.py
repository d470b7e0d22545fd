"""The dtypes that travel, by numpy's name and by safetensors' own.

Doesn't import `ml_dtypes` until a bfloat16 or an 8-bit float is met.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from atoll.values._errors import ArraysError

MAX_DIMENSIONS = 32

# safetensors' code -> numpy's name (https://github.com/huggingface/safetensors, `enum Dtype`)
NUMPY_NAME = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "U16": "uint16", "I16": "int16", "U32": "uint32", "I32": "int32",
    "U64": "uint64", "I64": "int64", "F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64",
    "C64": "complex64", "F8_E5M2": "float8_e5m2", "F8_E4M3": "float8_e4m3fn",
}  # fmt: skip
CODE = {name: code for code, name in NUMPY_NAME.items()}
_EXTENDED = {"bfloat16", "float8_e5m2", "float8_e4m3fn"}
_PLAIN = {name: np.dtype(name) for name in CODE if name not in _EXTENDED}
_PLAIN_TYPES = frozenset(_PLAIN.values())


def dtype_of(code: str) -> np.dtype[Any]:
    """The numpy dtype of a safetensors code. Raises `KeyError` for an unknown one."""
    name = NUMPY_NAME[code]
    if name in _EXTENDED:
        import ml_dtypes

        extended: np.dtype[Any] = np.dtype(getattr(ml_dtypes, name))
        return extended
    return _PLAIN[name]


def portable(name: object, value: Any) -> np.ndarray[Any, np.dtype[Any]]:
    """A value as a contiguous little-endian array of a dtype that travels; no copy when it is one already."""
    array = value if type(value) is np.ndarray else np.asarray(value)
    if array.dtype.byteorder == ">":
        array = array.astype(array.dtype.newbyteorder("<"))
    if array.dtype not in _PLAIN_TYPES and array.dtype.name not in CODE:
        raise ArraysError(
            "arrays.bad-dtype",
            f"array `{name}` has dtype {array.dtype}, which does not travel",
            f"convert it to one of {', '.join(CODE)}",
        )
    if array.ndim > MAX_DIMENSIONS:
        raise ArraysError(
            "arrays.too-large",
            f"array `{name}` has {array.ndim} dimensions, the limit is {MAX_DIMENSIONS}",
            "reshape it",
        )
    return array if array.flags.c_contiguous else np.ascontiguousarray(array).reshape(array.shape)
