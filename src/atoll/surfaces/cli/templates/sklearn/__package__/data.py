"""The data: `load` is the one function to swap for your own."""

import numpy as np
from atoll.data import Table, samples
from numpy.typing import NDArray


def load() -> dict[str, Table]:
    """Named data sets, with the rows of all nodes; a node has its part in `ctx.data`.

    A Table is columns of equal length. Your own might come from

        table = pandas.read_csv("patients.csv")
        return {"train": Table(image=..., label=table["outcome"]), "test": ...}

    How the rows are dealt to nodes stands in pyproject.toml, under `partition`.
    """
    return samples.digits()  # 8 x 8 pixels: 1,438 rows to train on, 359 to test


def rows(table: Table) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """A node's pixels, shape (rows, 64), and labels, shape (rows,)."""
    return table["image"].reshape(len(table), -1), table["label"]
