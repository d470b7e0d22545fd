"""A small network in keras, on tensorflow, and how it learns.

It knows nothing of federations.
"""

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]


def new_net(lr: float = 0.1) -> keras.Model:
    """784 pixels, 64 hidden units, 10 digits; trained by plain SGD."""
    net = keras.Sequential(
        [
            layers.Input((28, 28)),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(10),
        ]
    )
    scores = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    net.compile(keras.optimizers.SGD(lr), scores)
    return net


def fit(
    net: keras.Model,
    images: Floats,
    labels: Labels,
    *,
    lr: float,
    batch: int,
    epochs: int,
    rng: np.random.Generator,
) -> float:
    """Minimise the cross-entropy, in place; returns the mean loss.

    The rows are put in order here: keras would shuffle by a generator of its own.
    """
    net.optimizer.learning_rate = lr
    losses = []
    for _ in range(epochs):
        rows = rng.permutation(len(labels))
        told = net.fit(
            images[rows], labels[rows], batch_size=batch, shuffle=False, verbose=0
        )
        losses += told.history["loss"]
    return float(np.mean(losses))


def accuracy(net: keras.Model, images: Floats, labels: Labels) -> float:
    """The part of the images that are recognised."""
    scores = net.predict_on_batch(images)
    return float((scores.argmax(axis=1) == labels).mean())
