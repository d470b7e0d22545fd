"""`Table`: named columns of equal length, the plainest data set there is.

Doesn't know where the rows came from, which node holds them, or what they mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, final, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atoll.values import DataError, suggestion

Rows = slice | Sequence[int] | Sequence[bool] | NDArray[Any]


@final
class Table:
    """Columns of equal first dimension: `Table({"x": x, "label": y})` or `Table(x=x, label=y)`.

    - `table["x"]` is a column: the array itself, shape (rows, ...), never a copy.
    - `table[10:20]` is a Table of views; `table[indices]` and `table[mask]` are Tables of copied rows.
    - `table[3]` is one row, a dict of its values; iterating goes over the rows, and `len` counts them.

    The columns are fixed; their contents are the caller's and stay writable, so that `torch.from_numpy` takes
    them as they are. An array that may not be written to (a pandas column, say) is therefore copied once,
    here; a memory-mapped file is not (open it with mode "c" to have it writable).

    Raises DataError: no column, columns of unequal lengths, a scalar for a column, an unknown column.
    Raises IndexError: a row that isn't there.
    """

    __slots__ = ("_columns", "_rows")

    def __init__(self, columns: Mapping[str, ArrayLike] | None = None, /, **more: ArrayLike) -> None:
        given = {**(columns or {}), **more}
        self._columns: dict[str, NDArray[Any]] = {
            name: _column(name, values) for name, values in given.items()
        }
        self._rows = _shared_length(self._columns)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, in the order in which they were given."""
        return tuple(self._columns)

    def __len__(self) -> int:
        return self._rows

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[row] for row in range(self._rows))

    @overload
    def __getitem__(self, which: str, /) -> NDArray[Any]: ...
    @overload
    def __getitem__(self, which: int | np.integer[Any], /) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, which: Rows, /) -> Table: ...

    def __getitem__(
        self, which: str | int | np.integer[Any] | Rows, /
    ) -> NDArray[Any] | dict[str, Any] | Table:
        if isinstance(which, str):
            return self._named(which)
        rows = which if isinstance(which, slice) else as_rows(which)
        return self._row(rows) if isinstance(rows, int) else self._each(rows)

    def __repr__(self) -> str:
        columns = ", ".join(f"{name} {_kind(column)}" for name, column in self._columns.items())
        return f"Table({self._rows:,} rows: {columns})"

    def _named(self, name: str) -> NDArray[Any]:
        if name not in self._columns:
            raise unknown_column(name, self._columns)
        return self._columns[name]

    def _row(self, row: int) -> dict[str, Any]:
        if not -self._rows <= row < self._rows:
            raise IndexError(f"row {row} of a table of {self._rows:,} rows")
        return {name: column[row] for name, column in self._columns.items()}

    def _each(self, rows: slice | NDArray[Any]) -> Table:
        part = Table.__new__(Table)  # the columns were checked when the whole was made
        part._columns = {name: column[rows] for name, column in self._columns.items()}
        part._rows = len(next(iter(part._columns.values())))
        return part


def as_rows(which: ArrayLike) -> int | NDArray[Any]:
    """One row's number, or an array of rows: from numbers, lists, arrays and tensors alike."""
    if isinstance(which, int | np.integer):
        return int(which)
    rows = np.asarray(which)
    if rows.ndim == 0:
        return int(rows[()].__index__())
    return rows if rows.size else np.empty(0, np.intp)


def unknown_column(name: str, known: Mapping[str, Any] | Sequence[str]) -> DataError:
    """The error for a column that a data set doesn't have; it lists those that it has."""
    names = [str(column) for column in known]
    shown = ", ".join(f"`{column}`" for column in names[:20]) + (", ..." if len(names) > 20 else "")
    there = f"it has {shown}" if names else "it has no named columns"
    return DataError(
        "data.unknown-column",
        f"there is no column `{name}`; {there}",
        suggestion(name, names, what="columns"),
    )


def _column(name: str, values: ArrayLike) -> NDArray[Any]:
    column = np.asarray(values)
    if column.ndim == 0:
        kind = type(values).__name__
        raise DataError(
            "data.scalar-column",
            f"column `{name}` is one {kind}, not one value per row",
            "hand in an array or a list as long as the table",
        )
    return column if column.flags.writeable or isinstance(values, np.memmap) else column.copy()


def _shared_length(columns: Mapping[str, NDArray[Any]]) -> int:
    if not columns:
        raise DataError(
            "data.no-columns", "a table needs at least one column", "for example Table(x=x, label=y)"
        )
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"`{name}` {rows:,}" for name, rows in lengths.items())
        raise DataError(
            "data.unequal-lengths",
            f"the columns of a table differ in length: {listed}",
            "give every column one value per row",
        )
    return next(iter(lengths.values()))


def _kind(column: NDArray[Any]) -> str:
    dtype = "text" if column.dtype.kind in "UT" else str(column.dtype)
    return dtype if column.ndim == 1 else f"{dtype} {column.shape[1:]}"
