"""From proportions to whole rows: rounding, and a least number of rows for every node.

Doesn't know which rows, or where the proportions came from. Arrays are (classes, nodes) throughout.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from atoll.data._random import Floats, exp

Counts = NDArray[np.intp]


def deal(log_proportions: Floats, rows: Counts) -> Counts:
    """How many rows of each class every node gets, of the `rows` (classes,) that there are of it.

    By largest remainder, class by class; a remainder weighs more at a node that was given less than its due
    so far, so that rounding doesn't starve the same nodes in every class. A node with no share of a class
    gets none of it.
    """
    due = exp(log_proportions) * rows[:, None]
    shares = np.floor(due).astype(np.intp)
    owed = np.zeros(due.shape[1])
    for ideal, given, count in zip(due, shares, rows.tolist(), strict=True):
        weight = np.where(owed > 0.0, 1.0 + owed, 1.0 / (1.0 - np.minimum(owed, 0.0)))
        left = count - int(given.sum())
        given[np.argsort(-(ideal - given) * weight, kind="stable")[:left]] += 1
        owed += ideal - given
    return shares


def by_shares(codes: Counts, shares: Counts, at_random: NDArray[np.uint64]) -> Counts:
    """From each row's class (rows,) and the shares its node (rows,): at random within a class."""
    owners = np.empty(len(codes), np.intp)
    shuffled = np.lexsort((at_random, codes))  # by class, at random within
    owners[shuffled] = np.repeat(np.tile(np.arange(shares.shape[1]), len(shares)), shares.ravel())
    return owners


def fill(shares: Counts, preference: Floats, minimum: int) -> None:
    """Move rows, in place, until every node has at least `minimum`; there must be enough in all.

    A node that lacks rows takes them class by class in the order of its own preference, of the node that has
    most of that class and can spare some, and never more than half of these at once. Every step moves a row
    or more to a node that lacks it and makes no other lack one: at most nodes * minimum steps.
    """
    totals = shares.sum(axis=0)
    for node in np.flatnonzero(totals < minimum).tolist():
        wanted = np.argsort(-preference[:, node], kind="stable").tolist()
        while totals[node] < minimum:
            moved, kind, donor = _offer(shares, totals, minimum, wanted)
            moved = min(moved, minimum - int(totals[node]))
            shares[kind, donor] -= moved
            shares[kind, node] += moved
            totals[donor] -= moved
            totals[node] += moved


def _offer(shares: Counts, totals: Counts, minimum: int, wanted: list[int]) -> tuple[int, int, int]:
    """The first wanted class that somebody can spare rows of: (rows, class, donor)."""
    spare = totals - minimum
    for kind in wanted:
        donor = int(np.argmax(np.where(spare > 0, shares[kind], 0)))
        held = int(shares[kind, donor])
        if spare[donor] > 0 and held > 0:
            return min(int(spare[donor]), max(1, held // 2)), kind, donor
    raise AssertionError("fewer rows than nodes * minimum")
