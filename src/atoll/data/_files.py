"""Reads the files that sample data sets lie in: found in installed packages, gzipped CSV and IDX.

Doesn't know which data set a file belongs to, and imports none of the packages.
"""

from __future__ import annotations

import zlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atoll.values import DataError

_Bytes = NDArray[np.uint8]


def packaged(package: str, file: str, *, mend: str) -> Path:
    """The path of a file inside an installed top-level package, which is looked up and not imported.

    Raises DataError: the package isn't installed, or has no such file any more.
    """
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise DataError(
            "data.no-package", f"this data set comes with the package {package}, which is not installed", mend
        )
    for folder in spec.submodule_search_locations:
        if (path := Path(folder, file)).is_file():
            return path
    raise DataError("data.no-file", f"the installed {package} has no file {file}", f"{mend} --upgrade")


def read_csv(path: Path, *, side: int, white: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Images (rows, side, side), divided by `white`, and labels (rows,) of a gzipped CSV of bytes.

    The last column is the label. Raises DataError: the file is malformed.
    """
    width = side * side + 1
    try:
        numbers = _whole_numbers(np.frombuffer(_gunzip(path), np.uint8)).reshape(-1, width)
    except ValueError:
        raise _malformed(path, f"not rows of {width} whole numbers from 0 to 255") from None
    return scaled(numbers[:, :-1], white).reshape(-1, side, side), numbers[:, -1].astype(np.int64)


def _whole_numbers(text: _Bytes) -> _Bytes:
    """The numbers of a CSV, line by line; ten times as fast as a parser for numbers of any kind.

    Digits are gathered by their distance from the separator behind them: ones, tens and hundreds.
    """
    separator = (text == ord(",")) | (text == ord("\n"))
    ends = np.flatnonzero(separator)
    lengths = np.diff(ends, prepend=-1) - 1
    if not len(ends) or ends[-1] != len(text) - 1 or lengths.min() < 1 or lengths.max() > 3:
        raise ValueError("not numbers of up to three digits")
    figures = text - np.uint8(ord("0"))  # what is no digit wraps round to more than 9
    if np.count_nonzero(figures > 9) != len(ends):
        raise ValueError("not digits")
    numbers = figures[ends - 1].astype(np.uint16)
    for place, worth in ((2, 10), (3, 100)):
        longer = np.flatnonzero(lengths >= place)
        numbers[longer] += figures[ends[longer] - place] * np.uint16(worth)
    if numbers.max() > 255:
        raise ValueError("not bytes")
    return numbers.astype(np.uint8)


def read_idx(path: Path, *, dimensions: int) -> _Bytes:
    """The bytes of a gzipped IDX file: 0, 0, 8, the number of dimensions; sizes, big-endian; then the data.

    Raises DataError: the file is missing or malformed.
    """
    if not path.is_file():
        raise DataError("data.no-file", f"there is no file {path}", "apt install dataset-fashion-mnist")
    content = _gunzip(path)
    header = 4 + 4 * dimensions
    shape = tuple(np.frombuffer(content[4:header], ">u4").tolist()) if len(content) >= header else ()
    if content[:4] != bytes((0, 0, 8, dimensions)) or len(content) - header != np.prod(shape, dtype=object):
        raise _malformed(path, f"not an IDX file of bytes in {dimensions} dimensions")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def _gunzip(path: Path) -> bytes:
    try:
        return zlib.decompress(path.read_bytes(), wbits=31)
    except zlib.error as error:
        raise _malformed(path, f"not a gzip file ({error})") from None


def scaled(values: _Bytes, white: int) -> NDArray[np.float32]:
    """Bytes as fractions of the one that means white."""
    return np.divide(values, np.float32(white), dtype=np.float32)


def _malformed(path: Path, why: str) -> DataError:
    return DataError(
        "data.malformed-file", f"{path} is {why}", "install the package that it belongs to again"
    )
