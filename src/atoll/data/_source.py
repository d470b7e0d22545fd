"""What `--data name=SOURCE` means: the file, folder or function that a node's owner gives as a data set.

Doesn't know who asks for it, or how a function is found by its name.
"""

from __future__ import annotations

import csv
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atoll.data._table import Table
from atoll.values import Arrays, ArraysError, DataError

SIMULATED = "simulated"  # in the place of a source: the app's own simulated data
KINDS = (".csv", ".npz", ".parquet", ".safetensors")
_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def is_function(source: str) -> bool:
    """Whether a source is `package.module:function` and no path."""
    return bool(_FUNCTION.fullmatch(source)) and not Path(source).exists()


def open_source(name: str, source: str, find: Callable[[str, str], Any]) -> Any:
    """The data set that a source means.

    - a `.npz`, `.csv`, `.parquet` or `.safetensors` file: a Table of its columns
    - a folder: its `pathlib.Path`
    - `package.module:function`: what it returns; `find(reference, what)` finds it

    Raises DataError (`data.no-file`, `data.unknown-source`, `data.malformed-file`, `data.no-package`), and what a function raises.
    """
    if is_function(source):
        return find(source, f"--data {name}")()
    path = Path(source).expanduser()
    if path.is_dir():
        return path
    if not path.exists():
        raise DataError(
            "data.no-file",
            f"data set `{name}`: there is no {path}",
            f"start the node with another --data {name}=",
        )
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise DataError(
            "data.unknown-source",
            f"data set `{name}`: {path} is none of {', '.join(KINDS)}",
            f"name its folder, which is handed on as a path, or a function that opens it: --data {name}=module:function",
        )
    try:
        return Table(read(path))
    except (OSError, ValueError, zipfile.BadZipFile, csv.Error, ArraysError) as error:
        raise DataError(
            "data.malformed-file", f"data set `{name}`: {path} can't be read: {error}", "mend the file"
        ) from error


def _npz(path: Path) -> Mapping[str, NDArray[Any]]:
    with np.load(path, allow_pickle=False) as file:
        return {column: file[column] for column in file.files}


def _safetensors(path: Path) -> Mapping[str, NDArray[Any]]:
    return dict(Arrays.load(path))


def csv_columns(path: Path) -> Mapping[str, NDArray[Any]]:
    """The first line names the columns. Numbers where all are numbers, NaN where one is missing; text otherwise."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        rows = csv.reader(file)
        names = next(rows, [])
        if len(set(names)) != len(names):
            raise ValueError("its first line names a column twice")
        cells = list(rows)
    if wrong := next((n for n, row in enumerate(cells, 2) if row and len(row) != len(names)), 0):
        raise ValueError(f"line {wrong} has another number of cells than the first")
    return {name: _column([row[i] for row in cells if row]) for i, name in enumerate(names)}


def _column(cells: list[str]) -> NDArray[Any]:
    text = np.array(cells, dtype=np.str_)
    for kind, given in (
        (np.int64, text),
        (np.float64, np.where(np.char.strip(text) == "", "nan", text) if cells else text),
    ):
        try:
            return given.astype(kind)
        except (ValueError, OverflowError):
            continue
    return text


def _parquet(path: Path) -> Mapping[str, NDArray[Any]]:
    try:
        import polars

        try:
            frame = polars.read_parquet(path)
        except polars.exceptions.PolarsError as error:
            raise ValueError(str(error)) from error
        return {column: frame[column].to_numpy() for column in frame.columns}
    except ModuleNotFoundError:
        pass
    try:
        import pandas

        table = pandas.read_parquet(path)
    except ImportError:
        raise DataError(
            "data.no-package", f"{path} needs a package that reads Parquet", "pip install polars"
        ) from None
    return {str(column): table[column].to_numpy() for column in table.columns}


_READERS: dict[str, Callable[[Path], Mapping[str, NDArray[Any]]]] = {
    ".csv": csv_columns,
    ".npz": _npz,
    ".parquet": _parquet,
    ".safetensors": _safetensors,
}
