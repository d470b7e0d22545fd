"""The data: `load` is the one function to swap for your own, `features` its columns."""

import numpy as np
from atoll.data import Table, samples
from numpy.typing import NDArray

NUMBERS = {  # what is usual, and by how much it differs: the same at every hospital
    "age": (50, 10),
    "blood_pressure": (130, 20),
    "cholesterol": (220, 50),
    "heart_rate": (140, 25),
    "oldpeak": (1, 1),
    "vessels": (0, 1),
}
FLAGS = ("male", "sugar", "angina")
FINDINGS = {
    "pain": ("asymptomatic", "atypical angina", "non-anginal", "typical angina"),
    "ecg": ("normal", "lv hypertrophy", "st-t abnormality"),
    "slope": ("flat", "upsloping", "downsloping"),
    "thal": ("normal", "fixed defect", "reversable defect"),
}
COLUMNS = 2 * len(NUMBERS) + len(FLAGS) + sum(map(len, FINDINGS.values()))


def load() -> dict[str, Table]:
    """Named data sets, with the rows of all hospitals; a node has its in `ctx.data`.

    Whose rows they are stands in the column `site`, see `partition` in pyproject.toml.
    """
    return samples.heart_disease()  # 735 patients to train on, 185 to test


def features(table: Table) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Numbers of like size, shape (rows, COLUMNS), and labels, shape (rows,).

    A gap in the records counts as what is usual, and a column says that it is a gap;
    no hospital has to know another's means.
    """
    columns = []
    for name, (usual, differs) in NUMBERS.items():
        gap = np.isnan(table[name])
        columns += [np.where(gap, 0, (table[name] - usual) / differs), gap]
    columns += [np.nan_to_num(2 * table[name] - 1) for name in FLAGS]
    for name, kinds in FINDINGS.items():
        columns += [table[name] == kind for kind in kinds]
    return np.stack(columns, axis=1).astype(np.float32), table["label"]
