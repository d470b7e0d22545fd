"""Sorting many arrays element by element, by a network of minima and maxima.

Doesn't know what is sorted; a NaN among the values would spoil every place that it is compared with.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from atoll.values import Array


class Comparator(NamedTuple):
    """Put the smaller of two into the first place and the greater into the second, where anybody wants to know."""

    first: int
    second: int
    smaller: bool
    greater: bool


def in_order(rows: Sequence[Array], wanted: range) -> list[Array]:
    """The element-wise order statistics `wanted` (0 is the smallest) of one-dimensional arrays that are alike.

    The rows stay as they are; what is returned may be one of them. Memory: `len(rows)` + 1 more of their size.
    """
    places, own = list(rows), [False] * len(rows)
    spare: list[Array] = []

    def room() -> Array:
        return spare.pop() if spare else np.empty_like(rows[0])

    for first, second, smaller, greater in network(len(rows), wanted):
        one, other = places[first], places[second]
        if smaller:
            places[first] = np.minimum(one, other, out=room())
        if greater:
            places[second] = np.maximum(one, other, out=room())
        spare += [row for row, at in ((one, first), (other, second)) if own[at]]
        own[first], own[second] = smaller, greater
    return [places[i] for i in wanted]


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
