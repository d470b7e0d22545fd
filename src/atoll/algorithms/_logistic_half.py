"""A node's half of logistic regression: the loss of its rows, with gradient and Hessian.

Doesn't know the other nodes' rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from atoll.algorithms._halves import signed
from atoll.app import Update
from atoll.values import Array, Arrays, DataError

METHOD, HALF = "LogisticRegression", "half(model, step)"

_STILL = 1e-3  # of the linear predictor: what moved less than this didn't move
_FAR = 0.5


class Curvature:
    """The client's half: what the loss is at the model, and how it bends there."""

    def __init__(self, model: Arrays, step: Arrays) -> None:
        self.model, self._step = model, step["step"]

    def update(self, x: Any, y: Any) -> Update:
        """The reply for rows x, shape (rows, columns), numbers, and y, shape (rows,), 0 or 1: means over the rows, and their number.

        Metrics: `loss` (mean -log likelihood) and `accuracy`. Raises `DataError` (`logistic.bad-rows`).
        """
        rows, signs = self._design(x), _signs(y, len(x))
        predictor = rows @ np.append(self.model["weight"], self.model["bias"])
        went = signs * (rows @ self._step)
        chance = np.where(signs > 0, _chance(-predictor), _chance(predictor))  # of the other class
        spread = chance * (1 - chance)
        share = 1 / max(len(rows), 1)
        loss = float(np.logaddexp(0, -signs * predictor).sum()) * share
        sums = {
            "loss": np.array(loss),
            "gradient": -(signs * chance) @ rows * share,
            "hessian": (rows * spread[:, None]).T @ rows * share,
            "ones": np.array((signs > 0).mean() if len(rows) else 0.5),
            "against": np.array((went < -_STILL).sum() * share),
            "along": np.array((went > _FAR).sum() * share),
        }
        accuracy = 1.0 - float(((predictor > 0) != (signs > 0)).sum()) * share
        return signed(METHOD, {"sums": sums}, weight=len(rows), metrics={"loss": loss, "accuracy": accuracy})

    def _design(self, x: Any) -> Array:
        """The rows in float64, with a column of ones for the bias."""
        columns = self.model["weight"].size
        rows = np.asarray(x)
        if rows.ndim != 2 or rows.shape[1] != columns or rows.dtype.kind not in "biuf":
            raise _bad(f"x is {rows.dtype} of shape {rows.shape}, not numbers of shape (rows, {columns})")
        rows = np.column_stack([rows.astype(np.float64), np.ones(len(rows))])
        if not np.isfinite(rows).all():
            raise _bad("x holds NaN or infinite numbers")
        return rows


def sums_like(model: Arrays) -> Arrays:
    """Zeros like what the half sums up."""
    size = model["weight"].size + 1
    shapes = {"gradient": (size,), "hessian": (size, size)}
    names = ("loss", "gradient", "hessian", "ones", "against", "along")
    return Arrays({name: np.zeros(shapes.get(name, ())) for name in names})


def _signs(y: Any, rows: int) -> Array:
    labels = np.asarray(y)
    if labels.shape != (rows,) or not np.isin(labels, (0, 1)).all():
        raise _bad(f"y of shape {labels.shape} is not one 0 or 1 for each of {rows} rows")
    return np.where(labels.astype(bool), 1.0, -1.0)


def _chance(predictor: Array) -> Array:
    """1 / (1 + exp(-predictor)), without overflow."""
    small = np.exp(-np.abs(predictor))
    return np.where(predictor >= 0, 1 / (1 + small), small / (1 + small))


def _bad(message: str) -> DataError:
    return DataError(
        "logistic.bad-rows", message, "drop or fill what is missing, and code the classes as 0 and 1"
    )
