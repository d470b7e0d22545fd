"""`Subset`: some rows of any data set, looked up when they are asked for.

Doesn't know Hugging Face, torch or pandas; it needs `len` and `[i]`, and takes `.iloc` where there is one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, final, overload

import numpy as np
from numpy.typing import NDArray

from atoll.data._table import as_rows
from atoll.values import DataError

IndexArray = NDArray[np.intp]


class Dataset(Protocol):
    """Anything with a length and rows by number: a Table, a list, a torch Dataset, a data frame."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any, /) -> Any: ...


@final
class Subset:
    """The rows `indices` (shape (rows,), integers) of a data set; no row is read before it is asked for.

    `subset[i]` is what the data set gives for that row (pandas a Series, polars and Hugging Face a dict); `subset[2:5]` and `subset[indices]` are Subsets of
    the same data set; `subset["label"]` is a column as an array, where the data set has named columns.

    Raises DataError: an index outside of the data set. Raises IndexError: a row that isn't there.
    """

    __slots__ = ("dataset", "indices")

    dataset: Dataset
    indices: IndexArray

    def __init__(self, dataset: Dataset, indices: Sequence[int] | NDArray[Any]) -> None:
        rows = np.asarray(indices)
        self.dataset = dataset
        self.indices = rows.astype(np.intp, copy=False) if rows.size else np.empty(0, np.intp)
        _check(rows, len(dataset))

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[Any]:
        return (self._row(row) for row in self.indices.tolist())

    @overload
    def __getitem__(self, which: str, /) -> NDArray[Any]: ...
    @overload
    def __getitem__(self, which: int | np.integer[Any], /) -> Any: ...
    @overload
    def __getitem__(self, which: slice | Sequence[int] | NDArray[Any], /) -> Subset: ...

    def __getitem__(self, which: Any, /) -> Any:
        if isinstance(which, str):
            from atoll.data._columns import column_of

            return column_of(self, which)
        rows = which if isinstance(which, slice) else as_rows(which)
        return (
            self._row(int(self.indices[rows]))
            if isinstance(rows, int)
            else Subset(self.dataset, self.indices[rows])
        )

    def __repr__(self) -> str:
        return f"Subset({len(self):,} of {len(self.dataset):,} rows of {type(self.dataset).__name__})"

    def _row(self, row: int) -> Any:
        frame: Any = self.dataset
        if hasattr(frame, "iloc"):  # pandas, of which [row] is a column
            return frame.iloc[row]
        if hasattr(frame, "get_columns"):  # polars, of which [row] is a frame
            return frame.row(row, named=True)
        return frame[row]


def _check(rows: NDArray[Any], length: int) -> None:
    if rows.size and (rows.ndim != 1 or rows.dtype.kind not in "iu"):
        raise DataError(
            "data.bad-indices",
            f"a subset takes one line of integer indices, not {rows.dtype} of shape {rows.shape}",
            "for a mask, hand in np.flatnonzero(mask)",
        )
    if rows.size and (rows.min() < 0 or rows.max() >= length):
        raise DataError(
            "data.bad-indices",
            f"indices {rows.min()} to {rows.max()} reach outside of a data set of {length:,} rows",
            "indices count from 0",
        )
