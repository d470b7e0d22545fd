"""The ground: arrays, metrics, config, folds, ids and errors; numpy and msgspec only.

Doesn't know of runs, nodes or networks. Everything above stands on this; this imports nothing of Atoll.
"""

from atoll.values._arrays import RESERVED, Array, Arrays
from atoll.values._config import Config
from atoll.values._dtypes import CODE, MAX_DIMENSIONS, NUMPY_NAME, dtype_of
from atoll.values._errors import (
    UNREADABLE,
    ArraysError,
    AtollError,
    ConfigError,
    DataError,
    DiskFull,
    JournalError,
    NotFound,
    ObjectDamaged,
    Released,
    RunError,
    Stopped,
    StoreError,
    TooFewReplies,
)
from atoll.values._failpoints import FAILPOINTS, failpoint, register
from atoll.values._files import sync_folder, write_all, write_privately
from atoll.values._folds import BLOCK, Contribution, Fold, Mean
from atoll.values._ids import derive_seed, new_run_id, seeds_below
from atoll.values._metrics import Metrics, Scalar
from atoll.values._names import as_text, is_text, nearest, suggestion
from atoll.values._payload import (
    MAX_PLAIN,
    Payload,
    checked,
    fresh,
    odd_number,
    pack,
    unpack,
    unpack_buffer,
)
from atoll.values._safetensors import (
    MAX_ARRAYS,
    MAX_EXTENT,
    from_buffer,
    map_file,
    parts,
    to_bytes,
    write_file,
)
from atoll.values._sizes import nbytes

__all__ = [
    "BLOCK",
    "CODE",
    "FAILPOINTS",
    "MAX_ARRAYS",
    "MAX_DIMENSIONS",
    "MAX_EXTENT",
    "MAX_PLAIN",
    "NUMPY_NAME",
    "RESERVED",
    "UNREADABLE",
    "Array",
    "Arrays",
    "ArraysError",
    "AtollError",
    "Config",
    "ConfigError",
    "Contribution",
    "DataError",
    "DiskFull",
    "Fold",
    "JournalError",
    "Mean",
    "Metrics",
    "NotFound",
    "ObjectDamaged",
    "Payload",
    "Released",
    "RunError",
    "Scalar",
    "Stopped",
    "StoreError",
    "TooFewReplies",
    "as_text",
    "checked",
    "derive_seed",
    "dtype_of",
    "failpoint",
    "fresh",
    "from_buffer",
    "is_text",
    "map_file",
    "nbytes",
    "nearest",
    "new_run_id",
    "odd_number",
    "pack",
    "parts",
    "register",
    "seeds_below",
    "suggestion",
    "sync_folder",
    "to_bytes",
    "unpack",
    "unpack_buffer",
    "write_all",
    "write_file",
    "write_privately",
]
