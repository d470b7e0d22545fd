"""How far the members of a stack are from one another, and from a point that moves among them.

Doesn't know what the distances are for. Floats only: the norm of a counter means nothing. Differences are squared in the
width that they are seen in and summed in float64; what overflows, or is no number, is infinitely far.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from atoll.algorithms._stack import Middle, Stack, counts, flat, parts, widened
from atoll.values import Array, Arrays

_SUM = 1 << 13  # squares that are summed in their own width


def between(stack: Stack) -> Array:
    """The squared distances between all members: float64, n x n, zeros on the diagonal."""
    found = np.zeros((stack.count, stack.count))
    with np.errstate(all="ignore"):
        for name, part in stack.blocks():
            rows = stack.rows(name, part)
            for piece in parts(rows[0].size, _SUM):
                _apart(np.stack([row[piece] for row in rows]), found)
    far = np.nan_to_num(found, nan=np.inf, posinf=np.inf)
    return far + far.T


def _apart(rows: Array, found: Array) -> None:
    """Add the squared distances between rows, each from those after it."""
    scratch = np.empty_like(rows)
    for i in range(len(rows) - 1):
        apart = np.subtract(rows[i + 1 :], rows[i], out=scratch[i + 1 :])
        found[i, i + 1 :] += np.einsum("ij,ij->i", apart, apart)


def squared(row: Array) -> float:
    """The sum of squares."""
    return sum(float(np.einsum("i,i->", row[part], row[part])) for part in parts(row.size, _SUM))


class Point:
    """A place among the members, as wide as they are seen: it can tell how far they are, and be pulled to them."""

    def __init__(self, stack: Stack, start: Arrays) -> None:
        self._stack = stack
        self._at = {n: widened(flat(a)).copy() for n, a in start.items() if not counts(a)}

    def distances(self) -> Array:
        """How far each member is: float64, not squared."""
        found = np.zeros(self._stack.count)
        with np.errstate(all="ignore"):
            for at, rows in self._blocks():
                found += [squared(row - at) for row in rows]
        return np.sqrt(np.nan_to_num(found, nan=np.inf, posinf=np.inf))

    def pull(self, shares: Array) -> None:
        """Go a share of the way to each member: p <- p + sum_i s_i (x_i - p). A share of 0 is no share of anything."""
        for at, rows in self._blocks():
            at += sum(
                np.multiply(row - at, s, dtype=at.dtype) for row, s in zip(rows, shares, strict=True) if s
            )

    def arrays(self) -> Arrays:
        """The place in the members' dtypes; integers are the members' median."""
        middle = Middle()
        return self._stack.built(
            lambda name, part: (
                self._at[name][part] if name in self._at else middle(self._stack.rows(name, part))
            )
        )

    def _blocks(self) -> Iterator[tuple[Array, list[Array]]]:
        return ((self._at[name][part], self._stack.rows(name, part)) for name, part in self._stack.blocks())
