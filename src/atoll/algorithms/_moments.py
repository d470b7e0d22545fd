"""Counts, means, variances and extremes of columns that nobody holds together: a monoid.

Doesn't know who holds the parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from atoll.values import Array, Arrays


@dataclass(frozen=True, slots=True)
class Moments:
    """Of each of so many columns: `sites` (that have values), `count` and `missing` (int64), `mean`, `squares` = sum((x - mean)^2),
    `minimum`, `maximum`.

    All have shape (columns,), floats are float64. A column without values has zeros.
    """

    sites: Array
    count: Array
    missing: Array
    mean: Array
    squares: Array
    minimum: Array
    maximum: Array

    @classmethod
    def of(cls, columns: Sequence[Array], missing: Sequence[int]) -> Moments:
        """The moments of float64 columns, shape (values,) each, from which so many missing ones were left out."""
        rows = [_of_one(column) for column in columns]
        mean, squares, minimum, maximum = np.array(rows, np.float64).reshape(-1, 4).T
        count = np.array([len(column) for column in columns], np.int64)
        sites = (count > 0).astype(np.int64)
        return cls(sites, count, np.array(missing, np.int64), mean, squares, minimum, maximum)

    @classmethod
    def unpacked(cls, arrays: Arrays) -> Moments:
        """Out of Arrays of these names."""
        return cls(*(arrays[name] for name in cls.__slots__))

    def packed(self) -> Arrays:
        """As Arrays of these names."""
        return Arrays({name: getattr(self, name) for name in self.__slots__})

    def merge(self, other: Moments) -> Moments:
        """The moments of both together: Chan, Golub and LeVeque 1979 (STAN-CS-79-773), equations 2.1.

        Each merge adds a relative error of a few units in the last place, and never cancels as sum(x^2) - n mean^2 does.
        """
        count = self.count + other.count
        parts = other.count / np.maximum(count, 1)
        apart = other.mean - self.mean
        first, second = self.count == 0, other.count == 0
        return Moments(
            self.sites + other.sites,
            count,
            self.missing + other.missing,
            np.where(first, other.mean, self.mean + apart * parts),
            self.squares + other.squares + apart**2 * parts * self.count,
            np.where(first, other.minimum, np.where(second, self.minimum, np.minimum(self.minimum, other.minimum))),
            np.where(first, other.maximum, np.where(second, self.maximum, np.maximum(self.maximum, other.maximum))),
        )  # fmt: skip


def _of_one(values: Array) -> tuple[float, float, float, float]:
    if not len(values):
        return 0.0, 0.0, 0.0, 0.0
    mean = float(values.mean())
    apart = values - mean
    mean += float(apart.mean())  # the second pass mends what the first one rounded
    return mean, float(np.square(values - mean).sum()), float(values.min()), float(values.max())
