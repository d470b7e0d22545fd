"""The data: `load` is the one function to swap for your own, `matrix` its columns."""

import numpy as np
from atoll.data import Table, samples
from xgboost import DMatrix

NUMBERS = ("age", "blood_pressure", "cholesterol", "heart_rate", "oldpeak", "vessels")
FLAGS = ("male", "sugar", "angina")
FINDINGS = {
    "pain": ("asymptomatic", "atypical angina", "non-anginal", "typical angina"),
    "ecg": ("normal", "lv hypertrophy", "st-t abnormality"),
    "slope": ("flat", "upsloping", "downsloping"),
    "thal": ("normal", "fixed defect", "reversable defect"),
}


def load() -> dict[str, Table]:
    """Named data sets, with the rows of all hospitals; a node has its in `ctx.data`.

    Whose rows they are stands in the column `site`, see `partition` in pyproject.toml.
    """
    return samples.heart_disease()  # 735 patients to train on, 185 to test


def matrix(table: Table) -> DMatrix:
    """What XGBoost trains on. Gaps stay gaps: each tree learns where they belong."""
    columns = [table[name] for name in (*NUMBERS, *FLAGS)]
    for name, kinds in FINDINGS.items():
        gap = np.where(table[name] == "", np.nan, 0)
        columns += [np.where(table[name] == kind, 1, gap) for kind in kinds]
    x = np.stack(columns, axis=1).astype(np.float32)
    return DMatrix(x, table["label"], nthread=1)
