"""Folds: combining replies one at a time, in one accumulator; a fold is a monoid.

Doesn't know where replies come from. The order of additions is fixed, so that the result is the same to the
bit on any number of workers: members left to right in blocks of 16, then blocks left to right.
"""

from __future__ import annotations

import math
from typing import Any, Protocol, TypeAlias, TypeVar

import numpy as np

from atoll.values._arrays import Array, Arrays
from atoll.values._errors import RunError

BLOCK = 16  # members of a cohort whose sum is made in one place
_STRIDE = 1 << 16  # elements worked on at a time: operands stay in the cache

Self = TypeVar("Self", bound="Fold")


class Contribution(Protocol):
    """What a fold asks of a reply."""

    @property
    def index(self) -> int: ...
    @property
    def weight(self) -> float: ...
    def __getitem__(self, name: str) -> Arrays: ...
    def folded(self) -> None: ...


class Fold(Protocol):
    """Something that replies are added to one by one: `add`, `merge`, `finish`."""

    def add(self, reply: Contribution) -> None: ...
    def merge(self: Self, other: Self) -> None: ...
    def finish(self) -> Arrays: ...


class Mean:
    """The weighted mean of one named payload: sum(w_i x_i) / sum(w_i), McMahan et al. 2017, arXiv:1602.05629, algorithm 1.

    Floats are summed in their own precision (16 and 8 bits in float32), integers and truth values in float64; the mean
    has the dtype of its members (integers to the nearest, ties to even; truth values by weighted majority).
    Holds one accumulator for up to 16 members of a cohort, two beyond.

    `partial` keeps the sums of blocks apart, for a worker or a relay whose whole blocks somebody else merges.
    """

    def __init__(self, name: str = "model", *, weighted: bool = True, partial: bool = False) -> None:
        self.name, self.weighted, self.partial = name, weighted, partial
        self._like: _Outline = {}  # what every member must be like
        self._blocks: list[_Sum] = []  # closed ones; a single running total unless partial
        self._open: _Sum | None = None
        self._number = -1  # of the open block

    def add(self, reply: Contribution) -> None:
        """Fold one reply in. Raises `RunError` (`fold.mismatch`) when its arrays differ from those before; it is left out."""
        arrays, number = reply[self.name], reply.index // BLOCK
        self._agree(_outline(arrays))
        if self._open is None or number != self._number:
            self._close()
            self._open, self._number = _Sum(), number
        self._open.add(arrays, reply.weight if self.weighted else 1.0)
        reply.folded()

    def merge(self, other: Mean) -> None:
        """Take over the blocks of another fold, which come after all of this one's; the other is spent.

        Raises `RunError` (`fold.mismatch`).
        """
        if other._like:
            self._agree(other._like)
        self._close()
        other._close()
        for block in other._blocks:
            self._append(block)
        other._blocks = []

    def finish(self) -> Arrays:
        """The mean. The fold is spent. Raises `RunError` (`fold.empty`, `fold.no-weight`)."""
        self._close()
        total = next(iter(self._blocks), None)
        if total is None:
            raise RunError("fold.empty", f"no reply was folded, so `{self.name}` has no mean")
        for block in self._blocks[1:]:
            total.merge(block)
        dtypes, self._blocks, self._like = self._like, [], {}
        if not 0 < total.weight < math.inf:
            raise RunError(
                "fold.no-weight",
                f"the weights of `{self.name}` add up to {total.weight}",
                "return Update(..., weight=len(data))",
            )
        return Arrays.trusted({n: _restored(t, total.weight, dtypes[n][1]) for n, t in total.sums.items()})

    def _agree(self, outline: _Outline) -> None:
        if not self._like:
            self._like = outline
        elif outline != self._like:
            odd = sorted(n for n in {*outline, *self._like} if outline.get(n) != self._like.get(n))
            was, now = ({n: o.get(n, "none") for n in odd[:4]} for o in (self._like, outline))
            raise RunError("fold.mismatch", f"replies with different arrays can't be folded: {was} and {now}")

    def _close(self) -> None:
        if self._open is not None:
            self._append(self._open)
            self._open = None

    def _append(self, block: _Sum) -> None:
        if self._blocks and not self.partial:
            self._blocks[0].merge(block)
        else:
            self._blocks.append(block)


_Outline: TypeAlias = dict[str, tuple[tuple[int, ...], np.dtype[Any]]]


def _outline(arrays: Arrays) -> _Outline:
    return {n: (a.shape, a.dtype) for n, a in arrays.items()}


class _Sum:
    """A running weighted sum of arrays that are like one another."""

    __slots__ = ("sums", "weight")

    def __init__(self) -> None:
        self.sums: dict[str, Array] = {}
        self.weight = 0.0

    def add(self, arrays: Arrays, weight: float) -> None:
        if not self.sums:
            self.sums = {n: _scaled(a, weight) for n, a in arrays.items()}
        else:
            for name, total in self.sums.items():
                _accumulate(total, arrays[name], weight)
        self.weight += weight

    def merge(self, other: _Sum) -> None:
        for name, total in self.sums.items():
            total += other.sums[name]
        self.weight += other.weight


def _wide(dtype: np.dtype[Any]) -> np.dtype[Any]:
    if dtype.kind in "biu":
        return np.dtype(np.float64)
    return dtype if dtype.kind in "fc" and dtype.itemsize >= 4 else np.dtype(np.float32)


def _widened(block: Array) -> Array:
    """A block in the dtype that it is summed in; bfloat16 by moving its bits, ten times the speed of a cast."""
    if block.dtype.kind == "f" and block.dtype.itemsize >= 4:
        return block
    if block.dtype.name == "bfloat16":
        return np.left_shift(block.view(np.uint16), np.uint32(16), dtype=np.uint32).view(np.float32)
    wide = _wide(block.dtype)
    return block if block.dtype == wide else block.astype(wide)


def _scaled(array: Array, weight: float) -> Array:
    total = np.empty(array.shape, _wide(array.dtype))
    if array.dtype == total.dtype:
        np.multiply(array, weight, out=total)
        return total
    flat, out = array.reshape(-1), total.reshape(-1)
    for at in range(0, flat.size, _STRIDE):
        np.multiply(_widened(flat[at : at + _STRIDE]), weight, out=out[at : at + _STRIDE])
    return total


def _accumulate(total: Array, array: Array, weight: float) -> None:
    if array.size <= _STRIDE:
        total += (array if array.dtype is total.dtype else _widened(array)) * weight
        return
    flat, out = array.reshape(-1), total.reshape(-1)
    scratch = np.empty(_STRIDE, total.dtype)
    for at in range(0, flat.size, _STRIDE):
        block = _widened(flat[at : at + _STRIDE])
        product = np.multiply(block, weight, out=scratch[: block.size])
        np.add(out[at : at + _STRIDE], product, out=out[at : at + _STRIDE])


def _restored(total: Array, weight: float, dtype: np.dtype[Any]) -> Array:
    np.divide(total, weight, out=total)
    if dtype.kind == "b":
        np.greater_equal(total, 0.5, out=total)
    elif dtype.kind in "iu":
        np.rint(total, out=total)
    restored = total if total.dtype == dtype else total.astype(dtype)
    restored.flags.writeable = False
    return restored
