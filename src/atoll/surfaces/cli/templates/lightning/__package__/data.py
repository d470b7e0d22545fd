"""The data: `load` is the one function to swap for your own."""

import torch
from atoll.data import Table, samples
from torch.utils.data import DataLoader, TensorDataset


def load() -> dict[str, Table]:
    """Named data sets, with the rows of all nodes; a node has its part in `ctx.data`.

    A Table is columns of equal length; anything with `len` and `[i]` will do, a
    torch or Hugging Face Dataset too (then load it in `batches`, below).

    How the rows are dealt to nodes stands in pyproject.toml, under `partition`.
    """
    return samples.mnist()  # 28 x 28 pixels: 4,000 rows to train on, 1,000 to test


def batches(table: Table, *, size: int, seed: int | None = None) -> DataLoader:
    """A node's images, shape (size, 28, 28), and labels, shape (size,).

    In an order that the seed tells; in their own without one.
    """
    images, labels = torch.from_numpy(table["image"]), torch.from_numpy(table["label"])
    shuffle = None if seed is None else torch.Generator().manual_seed(seed)
    return DataLoader(
        TensorDataset(images, labels),
        batch_size=size,
        shuffle=shuffle is not None,
        generator=shuffle,
    )
