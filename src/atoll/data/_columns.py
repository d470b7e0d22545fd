"""One column of any data set, as an array; and its distinct values.

Doesn't know what the column is for. Reads a whole column at once where the data set can give one, else row by
row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sized
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atoll.data._subset import Dataset, Subset
from atoll.data._table import Table, unknown_column
from atoll.values import DataError


@contextmanager
def about(name: str) -> Iterator[None]:
    """Say in every DataError from within which data set it is about."""
    try:
        yield
    except DataError as error:
        raise DataError(error.code, f"data set `{name}`: {error.message}", error.mend) from None


def column_of(dataset: Dataset, name: str) -> NDArray[Any]:
    """The column `name`, shape (rows, ...); a view where the data set keeps arrays.

    Looked for, in this order: a Table's column; a data frame's or a Hugging Face data set's; through a Subset
    (ours or torch's) the column of what it is a part of; an attribute of that name as long as the data set
    (torchvision's `targets`); the item `name` of each row, where rows are mappings.

    Raises DataError: there is no such column.
    """
    if isinstance(dataset, Table):
        return dataset[name]
    if isinstance(dataset, Subset) or _is_torch_subset(dataset):
        inner, rows = dataset.dataset, np.asarray(dataset.indices)  # type: ignore[attr-defined]
        if hasattr(inner, "column_names") and hasattr(
            inner, "select"
        ):  # Hugging Face, whose columns lie in files
            return column_of(inner.select(rows), name)
        whole: NDArray[Any] = column_of(inner, name)
        return np.asarray(whole[rows])
    names = _named_columns(dataset)
    if names is not None:
        if name not in names:
            raise unknown_column(name, names)
        return np.asarray(dataset[name][:])
    attribute = getattr(dataset, name, None)
    if isinstance(attribute, Sized) and len(attribute) == len(dataset):
        return np.asarray(attribute)
    return _from_rows(dataset, name)


def columns_of(dataset: Dataset) -> list[str]:
    """The names of a data set's columns; where rows are mappings, those of the first row.

    Raises DataError: it has no named columns.
    """
    if isinstance(dataset, Subset) or _is_torch_subset(dataset):
        return columns_of(dataset.dataset)  # type: ignore[attr-defined]
    names = _named_columns(dataset)
    return list(_first_row(dataset, "*")) if names is None else names


def classes_of(dataset: Dataset, name: str) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """The distinct values of a column, sorted (values,), and for each row which of them it holds (rows,).

    Raises DataError: there is no such column, it holds more than one value per row, or some are missing
    (None, NaN).
    """
    column = column_of(dataset, name)
    if column.ndim != 1:
        raise DataError(
            "data.not-one-value",
            f"column `{name}` has shape {column.shape}: not one value per row",
            "partition by a column with one value per row, such as a label or a site",
        )
    missing = int(np.count_nonzero(_missing(column)))
    if missing:
        raise DataError(
            "data.missing-values",
            f"column `{name}` has no value in {missing:,} of {len(column):,} rows",
            "drop these rows, or give them a value of their own",
        )
    return _distinct(column, name)


def _distinct(column: NDArray[Any], name: str) -> tuple[NDArray[Any], NDArray[np.intp]]:
    try:
        values, codes = np.unique(column, return_inverse=True)
    except TypeError:
        raise _mixed(column.tolist(), name) from None
    return values, codes.astype(np.intp, copy=False)


def in_order(values: Iterable[Any], name: str) -> list[Any]:
    """The values of a column of several data sets, sorted. Raises DataError: they mix kinds that have no order."""
    try:
        return sorted(values)
    except TypeError:
        raise _mixed(values, name) from None


def _mixed(values: Iterable[Any], name: str) -> DataError:
    kinds = ", ".join(sorted({type(value).__name__ for value in values}))
    message = f"column `{name}` mixes values that have no order: {kinds}"
    return DataError("data.mixed-values", message, "make them all text")


def _missing(column: NDArray[Any]) -> NDArray[np.bool_]:
    if column.dtype.kind == "O":
        return np.fromiter((value is None or _differs(value) for value in column.tolist()), bool, len(column))
    return np.asarray(column != column, bool)  # NaN and NaT are the values that differ from themselves


def _differs(value: object) -> bool:
    try:
        return bool(value != value)
    except TypeError:  # pandas.NA is neither true nor false
        return True


def _is_torch_subset(dataset: Dataset) -> bool:
    return hasattr(dataset, "dataset") and hasattr(dataset, "indices")


def _named_columns(dataset: Dataset) -> list[str] | None:
    for attribute in ("column_names", "columns"):  # Hugging Face, then data frames
        names = getattr(dataset, attribute, None)
        if names is not None and not callable(names):
            return [column for column in names if isinstance(column, str)]
    return None


def _from_rows(dataset: Dataset, name: str) -> NDArray[Any]:
    first = _first_row(dataset, name)
    if name not in first:
        raise unknown_column(name, list(first))
    return np.asarray([dataset[row][name] for row in range(len(dataset))])


def _first_row(dataset: Dataset, name: str) -> Mapping[str, Any]:
    first = dataset[0] if len(dataset) else None
    if isinstance(first, Mapping):
        return first
    kind = type(first).__name__
    raise DataError(
        "data.unknown-column",
        f"there is no column `{name}`: a {type(dataset).__name__} with {kind} rows has no named columns",
        "make it an atoll.data.Table, or let its rows be dicts",
    )
