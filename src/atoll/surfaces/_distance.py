"""How far two sets of arrays are apart, array by array.

Doesn't know what they are: models, states. Works in blocks, so that two models larger than memory can be compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from atoll.values import Arrays

_BLOCK = 1 << 20  # elements that are in memory as float64 at once


class Distance(msgspec.Struct, frozen=True):
    """Of b from a, computed in float64.

    `l2`: ||b - a||; `relative`: that by ||a||; `largest`: the largest |b - a|; `cosine`: a.b / (||a|| ||b||).
    None where it isn't a number: of arrays that hold NaN, or by a norm of 0. `same`: to the bit.
    """

    shape: list[int]
    dtype: str
    same: bool
    l2: float | None
    relative: float | None
    largest: float | None
    cosine: float | None


class Distances(msgspec.Struct, frozen=True):
    """Of all arrays. `whole` is that of all comparable ones, as if they were one; `unlike`: other shapes or dtypes."""

    same: bool
    arrays: dict[str, Distance]
    whole: Distance | None
    only: tuple[list[str], list[str]]
    unlike: dict[str, tuple[str, str]]


class _Sums:
    """A monoid: what a distance is made of."""

    def __init__(self) -> None:
        self.gap = self.a = self.b = self.dot = self.largest = 0.0
        self.size, self.same = 0, True

    def add(self, a: NDArray[Any], b: NDArray[Any]) -> None:
        """Take two blocks of the same length in."""
        self.same = self.same and a.tobytes() == b.tobytes()
        x, y = a.astype(np.float64), b.astype(np.float64)
        with np.errstate(all="ignore"):
            gap = y - x
            self.gap, self.a, self.b = (
                self.gap + float(gap @ gap),
                self.a + float(x @ x),
                self.b + float(y @ y),
            )
            self.dot += float(x @ y)
            here = float(np.max(np.abs(gap), initial=0.0))
        self.largest = here if math.isnan(here) or here > self.largest else self.largest
        self.size += a.size

    def merge(self, other: _Sums) -> None:
        """Take another's in."""
        self.same = self.same and other.same
        self.gap, self.a, self.b = self.gap + other.gap, self.a + other.a, self.b + other.b
        self.dot += other.dot
        worse = math.isnan(other.largest) or other.largest > self.largest
        self.largest = other.largest if worse else self.largest
        self.size += other.size

    def finish(self, shape: tuple[int, ...], dtype: str) -> Distance:
        """The distance."""
        l2, norms = math.sqrt(self.gap), math.sqrt(self.a) * math.sqrt(self.b)
        relative = 0.0 if l2 == 0 else l2 / math.sqrt(self.a) if self.a else None
        cosine = 1.0 if self.same and not norms else self.dot / norms if norms else None
        if cosine is not None:
            cosine = 1.0 if self.same else max(-1.0, min(1.0, cosine))
        return Distance(
            list(shape),
            dtype,
            self.same,
            _number(l2),
            _number(relative),
            _number(self.largest),
            _number(cosine),
        )


def distances(a: Arrays, b: Arrays) -> Distances:
    """How far each array of b is from that of a."""
    common = [name for name in a if name in b]
    unlike = {name: (_kind(a[name]), _kind(b[name])) for name in common if _kind(a[name]) != _kind(b[name])}
    found, whole = dict[str, Distance](), _Sums()
    for name in common:
        if name not in unlike:
            sums = _sums(a[name], b[name])
            found[name] = sums.finish(a[name].shape, str(a[name].dtype))
            whole.merge(sums)
    only = ([n for n in a if n not in b], [n for n in b if n not in a])
    same = whole.same and not unlike and not only[0] and not only[1]
    return Distances(same, found, whole.finish((whole.size,), "") if found else None, only, unlike)


def _sums(a: NDArray[Any], b: NDArray[Any]) -> _Sums:
    sums = _Sums()
    for x, y in _blocks(a, b):
        sums.add(x, y)
    return sums


def _blocks(a: NDArray[Any], b: NDArray[Any]) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    x, y = np.ascontiguousarray(a).reshape(-1), np.ascontiguousarray(b).reshape(-1)
    for at in range(0, x.size, _BLOCK):
        yield x[at : at + _BLOCK], y[at : at + _BLOCK]


def _kind(array: NDArray[Any]) -> str:
    return f"{array.dtype} {array.shape}"


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
