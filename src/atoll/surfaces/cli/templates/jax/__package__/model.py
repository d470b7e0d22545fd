"""A small network in flax: 784 pixels, 64 hidden units, 10 digits, and how it learns.

It knows nothing of federations.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]
Params = dict[str, Any]  # a tree of arrays


class Net(nn.Module):
    """Each digit's score, shape (rows, 10), of pictures, shape (rows, 28, 28)."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        hidden = nn.relu(nn.Dense(64)(x.reshape(len(x), -1)))
        return nn.Dense(10)(hidden)


def new_params(seed: int = 0) -> Params:
    """What training begins with."""
    return Net().init(jax.random.key(seed % 2**32), jnp.zeros((1, 28, 28)))


def fit(
    params: Params,
    images: Floats,
    labels: Labels,
    *,
    lr: float,
    batch: int,
    epochs: int,
    rng: np.random.Generator,
) -> tuple[Params, float]:
    """Minimise the cross-entropy by plain SGD; gives new parameters, the mean loss.

    Every batch is full, the last one too: jax compiles once for each shape.
    """
    losses = []
    for _ in range(epochs):
        full = -(-len(labels) // batch) * batch
        for rows in np.resize(rng.permutation(len(labels)), full).reshape(-1, batch):
            params, loss = step(params, images[rows], labels[rows], lr)
            losses.append(loss)
    return params, float(np.mean(jax.device_get(losses)))


def accuracy(params: Params, images: Floats, labels: Labels) -> float:
    """The part of the images that are recognised."""
    return float((predict(params, images).argmax(axis=1) == labels).mean())


predict = jax.jit(Net().apply)


@partial(jax.jit, donate_argnums=0)
def step(
    params: Params, x: jax.Array, y: jax.Array, lr: float
) -> tuple[Params, jax.Array]:
    def mean_loss(params: Params) -> jax.Array:
        chances = jax.nn.log_softmax(Net().apply(params, x))
        return -jnp.take_along_axis(chances, y[:, None], axis=1).mean()

    loss, gradients = jax.value_and_grad(mean_loss)(params)
    return jax.tree.map(lambda p, g: p - lr * g, params, gradients), loss
