"""Two models of a patient's chance to be ill: logistic regression, and a small net.

It knows nothing of federations.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Labels = NDArray[np.int64]
Weights = Mapping[str, Floats]
HIDDEN = 16


def new_net(columns: int, rng: np.random.Generator) -> dict[str, Floats]:
    """What training of the net begins with (He et al. 2015, arXiv:1502.01852)."""
    spread = np.float32((2 / columns) ** 0.5)
    return {
        "hidden.weight": rng.standard_normal((columns, HIDDEN), np.float32) * spread,
        "hidden.bias": np.zeros(HIDDEN, np.float32),
        "output.weight": np.zeros(HIDDEN, np.float32),
        "output.bias": np.zeros(1, np.float32),
    }


def fit_net(
    weights: Weights,
    x: Floats,
    y: Labels,
    *,
    lr: float,
    batch: int,
    epochs: int,
    rng: np.random.Generator,
) -> float:
    """Minimise the cross-entropy by plain SGD, in place; returns the mean loss."""
    total = 0.0
    for _ in range(epochs):
        order = rng.permutation(len(y))
        for start in range(0, len(y), batch):
            rows = order[start : start + batch]
            total += _step(weights, x[rows], y[rows], lr) * len(rows)
    return total / (epochs * len(y))


def chances(weights: Weights, x: Floats) -> Floats:
    """Each patient's chance to be ill, shape (rows,), by either model."""
    if "hidden.weight" in weights:
        return _net(weights, x)[1]
    return _sigmoid(x @ weights["weight"] + weights["bias"])


def accuracy(weights: Weights, x: Floats, y: Labels) -> float:
    """The part of the patients that is told rightly."""
    return float(((chances(weights, x) > 0.5) == y).mean())


def _step(weights: Weights, x: Floats, y: Labels, lr: float) -> float:
    hidden, chance = _net(weights, x)
    wrong = (chance - y).astype(np.float32) / len(y)  # the gradients
    at_hidden = np.outer(wrong, weights["output.weight"]) * (hidden > 0)
    weights["output.weight"][...] -= lr * (wrong @ hidden)
    weights["output.bias"][...] -= lr * wrong.sum()
    weights["hidden.weight"][...] -= lr * (x.T @ at_hidden)
    weights["hidden.bias"][...] -= lr * at_hidden.sum(axis=0)
    return float(-np.log(np.where(y == 1, chance, 1 - chance) + 1e-9).mean())


def _net(weights: Weights, x: Floats) -> tuple[Floats, Floats]:
    hidden = np.maximum(x @ weights["hidden.weight"] + weights["hidden.bias"], 0)
    return hidden, _sigmoid(hidden @ weights["output.weight"] + weights["output.bias"])


def _sigmoid(score: Floats) -> Floats:
    return 0.5 * (1 + np.tanh(0.5 * score))
