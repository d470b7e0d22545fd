"""The pictures of all simulated nodes, and one node's as tensors.

Doesn't know how they are dealt: pyproject.toml says it.
"""

import torch

from atoll.data import samples


def load():
    """Named data sets: 4,000 digits to train on, 1,000 to test."""
    return samples.mnist()


def tensors(table):
    """Images, shape (rows, 1, 28, 28), and labels, shape (rows,), of one node."""
    return torch.from_numpy(table["image"]).unsqueeze(1), torch.from_numpy(table["label"])
