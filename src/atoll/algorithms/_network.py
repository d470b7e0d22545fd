"""Sorting many arrays element by element, by a network of minima and maxima.

Doesn't know what is sorted; a NaN among the values would spoil every place that it is compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple, final

import numpy as np

from atoll.values import Array


class Comparator(NamedTuple):
    """Put the smaller of two into the first place and the greater into the second, where anybody wants to know."""

    first: int
    second: int
    smaller: bool
    greater: bool


@final
class InOrder:
    """The element-wise order statistics `wanted` (0 is the smallest) of one-dimensional arrays that are alike.

    The rows stay as they are; what is returned may be one of them, and holds until the next call: the room is used again,
    since memory that is new to the process costs more than the sorting. Memory: one more array than there are rows.
    """

    def __init__(self, wanted: Callable[[int], range]) -> None:
        self._wanted = wanted
        self._room: list[Array] = []

    def __call__(self, rows: Sequence[Array]) -> list[Array]:
        wanted = self._wanted(len(rows))
        places, own = list(rows), [False] * len(rows)
        spare = self._spare(rows[0])
        for first, second, smaller, greater in network(len(rows), wanted):
            one, other = places[first], places[second]
            if smaller:
                places[first] = np.minimum(one, other, out=spare.pop() if spare else self._more(one))
            if greater:
                places[second] = np.maximum(one, other, out=spare.pop() if spare else self._more(one))
            if own[first]:
                spare.append(one)
            if own[second]:
                spare.append(other)
            own[first], own[second] = smaller, greater
        return [places[i] for i in wanted]

    def _spare(self, like: Array) -> list[Array]:
        if self._room and (self._room[0].dtype, self._room[0].size) != (like.dtype, like.size):
            self._room = []
        return list(self._room)

    def _more(self, like: Array) -> Array:
        self._room.append(np.empty_like(like))
        return self._room[-1]


@lru_cache(maxsize=64)
def network(count: int, wanted: range) -> tuple[Comparator, ...]:
    """The comparators that settle the `wanted` places of `count`: of a whole network, those that lead there."""
    needed, kept = set(wanted), []
    for first, second in reversed(list(_merges(count))):
        if first in needed or second in needed:
            kept.append(Comparator(first, second, first in needed, second in needed))
            needed |= {first, second}
    return tuple(reversed(kept))


def _merges(count: int) -> Iterator[tuple[int, int]]:
    """Batcher's odd-even merge sort for any number of places.

    Batcher 1968, "Sorting networks and their applications"; in this form Knuth, TAOCP volume 3, algorithm 5.2.2M:
    a network for the next power of two, without what compares with places that aren't there.
    """
    run = 1
    while run < count:
        apart = run
        while apart:
            for start in range(apart % run, count - apart, 2 * apart):
                for first in range(start, min(start + apart, count - apart)):
                    if first // (2 * run) == (first + apart) // (2 * run):
                        yield first, first + apart
            apart //= 2
        run *= 2
