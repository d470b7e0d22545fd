"""The ground: arrays, metrics, config, folds, ids and errors; numpy and msgspec only.

Doesn't know of runs, nodes or networks. Everything above stands on this; this imports nothing of Atoll.
"""

from atoll.values._arrays import Array, Arrays
from atoll.values._config import Config
from atoll.values._errors import (
    ArraysError,
    AtollError,
    ConfigError,
    DataError,
    JournalError,
    NotFound,
    Released,
    RunError,
    Stopped,
    TooFewReplies,
)
from atoll.values._folds import BLOCK, Contribution, Fold, Mean
from atoll.values._ids import derive_seed, new_run_id, seeds_below
from atoll.values._metrics import Metrics, Scalar
from atoll.values._names import as_text, nearest, suggestion
from atoll.values._payload import Payload, checked, fresh, pack, unpack, unpack_buffer
from atoll.values._safetensors import (
    from_buffer,
    map_file,
    parts,
    sync_folder,
    to_bytes,
    write_all,
    write_file,
)

__all__ = [
    "BLOCK",
    "Array",
    "Arrays",
    "ArraysError",
    "AtollError",
    "Config",
    "ConfigError",
    "Contribution",
    "DataError",
    "Fold",
    "JournalError",
    "Mean",
    "Metrics",
    "NotFound",
    "Payload",
    "Released",
    "RunError",
    "Scalar",
    "Stopped",
    "TooFewReplies",
    "as_text",
    "checked",
    "derive_seed",
    "fresh",
    "from_buffer",
    "map_file",
    "nearest",
    "new_run_id",
    "pack",
    "parts",
    "seeds_below",
    "suggestion",
    "sync_folder",
    "to_bytes",
    "unpack",
    "unpack_buffer",
    "write_all",
    "write_file",
]
