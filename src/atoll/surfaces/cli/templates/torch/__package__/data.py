"""The data: `load` is the one function to swap for your own."""

import torch
from atoll.data import Table, samples


def load() -> dict[str, Table]:
    """Named data sets, with the rows of all nodes; a node has its part in `ctx.data`.

    A Table is columns of equal length; anything with `len` and `[i]` will do, a
    torch or Hugging Face Dataset too (then read the rows in `tensors`, below).

    How the rows are dealt to nodes stands in pyproject.toml, under `partition`.
    """
    return samples.mnist()  # 28 x 28 pixels: 4,000 rows to train on, 1,000 to test


def tensors(table: Table) -> tuple[torch.Tensor, torch.Tensor]:
    """A node's images, shape (rows, 1, 28, 28), and labels, shape (rows,)."""
    images, labels = torch.from_numpy(table["image"]), torch.from_numpy(table["label"])
    return images.unsqueeze(1), labels
