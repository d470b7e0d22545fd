"""A network in plain numpy: 64 pixels, 32 hidden units, 10 digits.

It knows nothing of federations.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]
Weights = Mapping[str, Floats]


def new_weights(rng: np.random.Generator) -> dict[str, Floats]:
    """What training begins with (He et al. 2015, arXiv:1502.01852)."""
    return {
        "hidden.weight": _random(rng, 64, 32),
        "hidden.bias": np.zeros(32, np.float32),
        "output.weight": _random(rng, 32, 10),
        "output.bias": np.zeros(10, np.float32),
    }


def fit(
    weights: Weights,
    images: Floats,
    labels: Labels,
    *,
    lr: float,
    batch: int,
    epochs: int,
    rng: np.random.Generator,
) -> float:
    """Minimise the cross-entropy by plain SGD, in place; returns the mean loss."""
    pixels, total = images.reshape(len(images), -1), 0.0
    for _ in range(epochs):
        order = rng.permutation(len(labels))
        for start in range(0, len(labels), batch):
            rows = order[start : start + batch]
            total += _step(weights, pixels[rows], labels[rows], lr) * len(rows)
    return total / (epochs * len(labels))


def accuracy(weights: Weights, images: Floats, labels: Labels) -> float:
    """The part of the images that are recognised."""
    _, chances = _predict(weights, images.reshape(len(images), -1))
    return float((chances.argmax(axis=1) == labels).mean())


def _predict(weights: Weights, x: Floats) -> tuple[Floats, Floats]:
    """The hidden units, shape (rows, 32), and each digit's chance, (rows, 10)."""
    hidden = np.maximum(x @ weights["hidden.weight"] + weights["hidden.bias"], 0)
    scores = hidden @ weights["output.weight"] + weights["output.bias"]
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return hidden, powers / powers.sum(axis=1, keepdims=True)


def _step(weights: Weights, x: Floats, y: Labels, lr: float) -> float:
    hidden, chances = _predict(weights, x)
    right = np.arange(len(y)), y
    loss = -np.log(chances[right] + 1e-9).mean()
    chances[right] -= 1
    at_output = chances / len(y)  # the gradients
    at_hidden = at_output @ weights["output.weight"].T * (hidden > 0)
    weights["output.weight"][...] -= lr * (hidden.T @ at_output)
    weights["output.bias"][...] -= lr * at_output.sum(axis=0)
    weights["hidden.weight"][...] -= lr * (x.T @ at_hidden)
    weights["hidden.bias"][...] -= lr * at_hidden.sum(axis=0)
    return float(loss)


def _random(rng: np.random.Generator, rows: int, columns: int) -> Floats:
    spread = np.float32((2 / rows) ** 0.5)
    return rng.standard_normal((rows, columns), np.float32) * spread
