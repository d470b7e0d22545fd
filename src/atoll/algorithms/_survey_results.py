"""What a survey finds: summaries, histograms and quantiles of a column.

Doesn't know how they were found.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from atoll.values import Array


@dataclass(frozen=True, slots=True)
class Summary:
    """One column over all nodes: how many `sites` told of it, and what.

    `squares` is sum((x - mean)^2); without values all is 0 but the missing.
    """

    sites: int
    count: int
    missing: int
    mean: float
    squares: float
    minimum: float
    maximum: float

    @property
    def variance(self) -> float:
        """Of a sample: squares / (count - 1), as statisticians and pandas have it; NaN for fewer than two values."""
        return self.squares / (self.count - 1) if self.count > 1 else math.nan

    @property
    def std(self) -> float:
        """The square root of the variance."""
        return math.sqrt(self.variance)


@dataclass(frozen=True, slots=True)
class Histogram:
    """`counts` (bins,) int64 of the values between `edges` (bins + 1,) float64; the last bin holds its right edge too.

    `below` and `above` count the values outside all bins.
    """

    edges: Array
    counts: Array
    below: int
    above: int

    @classmethod
    def ranked(cls, edges: Array, ranks: Array) -> Histogram:
        """From how many values are below each edge and the largest number, and how many not above: shape (2, edges + 1)."""
        below, upto = ranks
        left = np.append(below[:-2], upto[-2])
        return cls(edges, np.diff(left), int(below[0]), int(upto[-1] - upto[-2]))


@dataclass(frozen=True, slots=True)
class Quantiles:
    """`values[i]` is the quantile at `at[i]`, true to `error[i]`; float64, shape (quantiles,)."""

    at: Array
    values: Array
    error: Array
