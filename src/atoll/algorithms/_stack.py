"""A stack: the replies of a round side by side, looked at a block of elements at a time.

Doesn't know what is made of them. Floats narrower than float32 are seen in float32, complex numbers as their two parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from atoll.algorithms._network import InOrder
from atoll.values import Array, Arrays

BLOCK = 1 << 14  # elements of each member looked at together: twenty of them stay in the cache

Combine: TypeAlias = Callable[[Sequence[Array]], Array]


class Grouping(NamedTuple):
    """Of which members means are made; and whether of their integers, too."""

    groups: Sequence[Sequence[int]]
    integers: bool


@dataclass(frozen=True)
class Stack:
    """Members that are alike and finite, with their weights; or the means of groups of them.

    `lost` replies were left out because they were broken. Nothing is held but the members as they came: the means of
    groups are made block by block, each time they are looked at.
    """

    like: Arrays  # what they and the result are like
    members: Sequence[Arrays]
    weights: Sequence[float]
    lost: int = 0
    groupings: tuple[Grouping, ...] = ()

    @property
    def count(self) -> int:
        return len(self.groupings[-1].groups) if self.groupings else len(self.members)

    @property
    def shares(self) -> Array:
        """How much of all the weight each has, a group the sum of its members'."""
        shares: Sequence[float] = self.weights
        for grouping in self.groupings:
            shares = [sum(shares[i] for i in group) for group in grouping.groups]
        return np.asarray(shares, np.float64) / sum(shares)

    def grouped(self, groups: Sequence[Sequence[int]], *, integers: bool = True) -> Stack:
        """The means of groups of these, as a stack; without `integers`, those stay single, as many as there are groups."""
        return replace(self, groupings=(*self.groupings, Grouping(groups, integers)))

    def rows(self, name: str, part: slice) -> list[Array]:
        """One block of each: not to be written to."""
        rows = [widened(flat(m[name])[part]) for m in self.members]
        for grouping in self.groupings:
            if grouping.integers or not counts(self.like[name]):
                rows = [mean(rows, group) for group in grouping.groups]
        return rows

    def blocks(self) -> Iterator[tuple[str, slice]]:
        """Where the blocks of floats lie; counts have no distances."""
        for name, array in self.like.items():
            if not counts(array):
                for part in parts(flat(array).size):
                    yield name, part

    def made(self, floats: Combine, integers: Combine | None = None) -> Arrays:
        """One set of arrays: each block is what a function makes of its rows."""
        return self.built(
            lambda name, part: (integers or floats if counts(self.like[name]) else floats)(
                self.rows(name, part)
            )
        )

    def built(self, block: Callable[[str, slice], Array]) -> Arrays:
        """One set of arrays in the members' dtypes, from blocks in wider ones."""
        arrays = {}
        for name, like in self.like.items():
            arrays[name] = array = np.empty(like.shape, like.dtype)
            out = flat(array)
            for part in parts(out.size):
                out[part] = _restored(block(name, part), out.dtype)
            array.flags.writeable = False
        return Arrays.trusted(arrays)


def counts(array: Array) -> bool:
    """Whether an array holds integers or truth values, such as counters of batches."""
    return array.dtype.kind in "biu"


def parts(size: int, block: int = BLOCK) -> Iterator[slice]:
    """The slices of `block` elements that make up `size`."""
    return (slice(at, min(at + block, size)) for at in range(0, size, block))


def flat(array: Array) -> Array:
    """The numbers of a contiguous array in one row."""
    row = array.reshape(-1)
    return row.view(row.real.dtype) if row.dtype.kind == "c" else row


def widened(block: Array) -> Array:
    """Floats in float32 at least, integers as they are; bfloat16 by moving its bits, ten times the speed of a cast."""
    if counts(block) or (block.dtype.kind == "f" and block.dtype.itemsize >= 4):
        return block
    if block.dtype.name == "bfloat16":
        return np.left_shift(block.view(np.uint16), np.uint32(16), dtype=np.uint32).view(np.float32)
    return block.astype(np.float32)


def mean(rows: Sequence[Array], group: Sequence[int]) -> Array:
    """The mean of some rows; where their sum overflows, of parts that don't."""
    wide = np.float64 if counts(rows[0]) else rows[0].dtype
    with np.errstate(over="ignore"):
        total = rows[group[0]].astype(wide)
        for i in group[1:]:
            total += rows[i]
    if not np.isfinite(total).all():
        return np.asarray(sum(rows[i] / len(group) for i in group))
    total /= len(group)
    return total


class Middle:
    """The element-wise median; of two in the middle the mean, exact for integers (ties to even), true for truth values."""

    def __init__(self) -> None:
        self._in_order = InOrder(lambda count: range((count - 1) // 2, count // 2 + 1))

    def __call__(self, rows: Sequence[Array]) -> Array:
        low, *high = self._in_order(rows)
        if not high or low.dtype.kind == "b":
            return high[0] if high else low
        if counts(low):  # without leaving the integers, and without overflow
            differ = low ^ high[0]
            floor = (low & high[0]) + (differ >> 1)
            return np.asarray(floor + (differ & floor & 1))
        return np.asarray(low * 0.5 + high[0] * 0.5)


def _restored(block: Array, dtype: np.dtype[Any]) -> Array:
    if dtype.kind == "b" and block.dtype.kind != "b":
        return block >= 0.5
    return np.rint(block) if dtype.kind in "iu" and not counts(block) else block
