"""The data: `load` is the one function to swap for your own."""

from collections.abc import Sequence

import numpy as np
import torch
from atoll.data import Table, samples


def load() -> dict[str, Table]:
    """Named data sets, with the rows of all nodes; a node has its part in `ctx.data`.

    A Table is columns of equal length: here a speech in each row, and who says it.
    Your own might come from

        table = pandas.read_csv("messages.csv")
        return {"train": Table(role=table["user"], text=table["message"]), "test": ...}

    How the rows are dealt to nodes stands in pyproject.toml, under `partition`.
    """
    return samples.shakespeare(minimum=150)  # the 22 roles with 150 speeches and more


def windows(texts: Sequence[str], *, length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """What was written before each character, shape (rows, length), and it, (rows,).

    Characters are numbers from 0 to 127; one that ASCII lacks is a `?`. The texts
    follow each other, and before the first one there is nothing: spaces.
    """
    text = " " * length + "\n".join(texts)
    bytes_ = np.frombuffer(text.encode("ascii", "replace"), np.uint8)
    codes = torch.from_numpy(bytes_.astype(np.int64))
    return codes.unfold(0, length, 1)[:-1], codes[length:]
