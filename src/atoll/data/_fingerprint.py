"""A fingerprint of a data set: cheap, so that every run can have those of its nodes.

Doesn't know whose data it is. It tells whether data has changed, and is no proof that it hasn't: of much data only a part is
read. Nothing is ever read that could have an effect: a row of a data set of somebody's own is not.
"""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from atoll.data._subset import Subset
from atoll.data._table import Table

WHOLE = 4 << 20  # bytes of a column that are read in full; of larger ones so many, evenly spread
_PIECES = 64
_FILES = 10_000  # of a folder


class _Hasher(Protocol):
    def update(self, data: Any, /) -> None: ...

    def hexdigest(self) -> str: ...


def fingerprint(dataset: Any, *, salt: bytes = b"") -> str:
    """`<kind>:<32 hexadecimal digits>`. With a salt, nobody without it can tell what was printed, or match two holders' data.

    - `whole:` names, types and all values of a Table's columns
    - `part:` the same, but for values of columns over 4 MiB: 64 pieces of each, evenly spread; or a folder's names and sizes
    - `rows:` of any other data set its type, its length, and the numbers of the rows; the values aren't read
    """
    hasher: _Hasher = hmac.new(salt, digestmod="sha256") if salt else hashlib.sha256()
    kind = _feed(hasher, dataset)
    return f"{kind}:{hasher.hexdigest()[:32]}"


def rows_of(dataset: Any) -> int | None:
    """How many rows a data set has; None when it doesn't tell."""
    try:
        return len(dataset)
    except Exception:  # it is somebody's own, and may raise what it likes
        return None


def _feed(hasher: _Hasher, dataset: Any) -> str:
    if isinstance(dataset, Table):
        kinds = [_column(hasher, name, dataset[name]) for name in dataset.columns]
        return "part" if "part" in kinds else "whole"
    if isinstance(dataset, np.ndarray):
        return _column(hasher, "", dataset)
    if isinstance(dataset, Path):
        return _folder(hasher, dataset)
    whole = dataset.dataset if isinstance(dataset, Subset) else dataset
    hasher.update(f"{type(whole).__module__}.{type(whole).__qualname__} {rows_of(whole)}".encode())
    if isinstance(dataset, Subset):
        hasher.update(np.ascontiguousarray(dataset.indices, np.int64).tobytes())
    return "rows"


def _column(hasher: _Hasher, name: str, column: NDArray[Any]) -> str:
    hasher.update(f"{name}\0{column.dtype.str}\0{column.shape}\0".encode())
    if column.dtype.hasobject:
        some = column.reshape(-1)[:: max(1, column.size // _FILES)]
        hasher.update("\0".join(str(v) for v in some.tolist()).encode("utf-8", "replace"))
        return "whole" if len(some) == column.size else "part"
    if column.nbytes <= WHOLE:
        hasher.update(np.ascontiguousarray(column).tobytes())
        return "whole"
    each = max(1, len(column) * WHOLE // column.nbytes // _PIECES)  # rows
    for begin in np.linspace(0, len(column) - each, _PIECES, dtype=np.int64).tolist():
        hasher.update(np.ascontiguousarray(column[begin : begin + each]).tobytes())
    return "part"


def _folder(hasher: _Hasher, folder: Path) -> str:
    paths = (p for p in folder.rglob("*") if p.is_file())
    names = sorted(
        f"{p.relative_to(folder).as_posix()}\0{p.stat().st_size}"
        for p, _ in zip(paths, range(_FILES), strict=False)
    )
    hasher.update("\0".join(names).encode("utf-8", "surrogateescape"))
    return "part"
