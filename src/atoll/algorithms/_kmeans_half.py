"""A node's half of k-means: whose rows are nearest to which centre, and centres of its own to begin with.

Doesn't know the other nodes' rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from atoll.algorithms._halves import signed
from atoll.app import Update
from atoll.values import Array, Arrays, DataError

METHOD, HALF = "KMeans", "half(model)"

_BLOCK = 1 << 20  # distances held at once
_LOCAL_ROUNDS = 10


class Assignment:
    """The client's half: rows by the centre that is nearest."""

    def __init__(self, model: Arrays) -> None:
        self.centers = model["centers"]

    def update(self, x: Any) -> Update:
        """The reply for rows x, shape (rows, columns): their sum and number for each centre. Raises `DataError` (`kmeans.bad-rows`)."""
        rows = numbers(x, self.centers.shape[1])
        which, apart = nearest(rows, self.centers)
        sums, counts = summed(rows, which, len(self.centers))
        inertia = float(apart.mean()) if len(rows) else 0.0
        return signed(
            METHOD, {"sums": {"sums": sums, "rows": counts}}, weight=len(rows), metrics={"inertia": inertia}
        )


def local_centers(x: Any, clusters: int, *, rng: np.random.Generator, minimum: int) -> Update:
    """A node's own centres, by k-means++ and a few rounds of Lloyd's, and how many rows each stands for."""
    rows = numbers(x, None)
    centers = spread_out(rows, np.ones(len(rows)), clusters, rng)
    counts = np.zeros(len(centers))
    for _ in range(_LOCAL_ROUNDS if len(centers) else 0):
        which, _ = nearest(rows, centers)
        sums, counts = summed(rows, which, len(centers))
        centers = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], centers)
    told = counts >= max(minimum, 1)
    return Update({"centers": Arrays(centers=centers[told], rows=counts[told])}, weight=len(rows))


def spread_out(points: Array, weights: Array, clusters: int, rng: np.random.Generator) -> Array:
    """Up to `clusters` different points, each drawn with a chance of weight times squared distance from those before it."""
    chosen: list[Array] = []
    chances = weights
    apart = np.full(len(points), np.inf)
    while len(chosen) < clusters and chances.sum() > 0:
        drawn = points[rng.choice(len(points), p=chances / chances.sum())]
        chosen.append(drawn)
        apart = np.minimum(apart, np.square(points - drawn).sum(axis=1))
        chances = weights * apart
    return np.array(chosen).reshape(-1, points.shape[1])


def nearest(rows: Array, centers: Array) -> tuple[Array, Array]:
    """Of each row the number of its nearest centre (the first of equals), and the squared distance: (rows,), (rows,)."""
    which, apart = np.empty(len(rows), np.intp), np.empty(len(rows))
    step = max(1, _BLOCK // max(centers.size, 1))
    for at in range(0, len(rows), step):
        distances = np.square(rows[at : at + step, None, :] - centers).sum(axis=2)
        which[at : at + step] = distances.argmin(axis=1)
        apart[at : at + step] = distances.min(axis=1)
    return which, apart


def summed(rows: Array, which: Array, clusters: int) -> tuple[Array, Array]:
    """The sum and the number of the rows of each cluster: (clusters, columns), (clusters,)."""
    sums = np.zeros((clusters, rows.shape[1]))
    np.add.at(sums, which, rows)
    return sums, np.bincount(which, minlength=clusters).astype(np.float64)


def numbers(x: Any, columns: int | None) -> Array:
    """The rows in float64. Raises `DataError`."""
    rows = np.asarray(x)
    if rows.ndim != 2 or rows.dtype.kind not in "biuf" or (columns is not None and rows.shape[1] != columns):
        wanted = "columns" if columns is None else columns
        message = f"x is {rows.dtype} of shape {rows.shape}, not numbers of shape (rows, {wanted})"
        raise DataError("kmeans.bad-rows", message, "hand in one row of numbers per sample")
    rows = rows.astype(np.float64)
    if not np.isfinite(rows).all():
        raise DataError("kmeans.bad-rows", "x holds NaN or infinite numbers", "drop or fill what is missing")
    return rows
