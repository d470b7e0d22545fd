"""A node's half of a survey: it reads its own columns, and answers with counts and moments.

Doesn't know what the others hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from atoll.algorithms._moments import Moments
from atoll.app import Update
from atoll.data import Dataset, column_of
from atoll.values import Array, Arrays, ConfigError, DataError

_LARGEST = 1e150  # whose squares can be summed


def answered(question: Mapping[str, Any], data: Dataset, *, minimum: int) -> Update:
    """The answer to a question of `Survey`: its columns' moments, or the ranks of thresholds among their values."""
    columns, thresholds = _understood(question)
    found = {name: _told(*_numbers(data, name), minimum=minimum) for name in columns}
    if thresholds is None:
        moments = Moments.of([values for values, _ in found.values()], [lost for _, lost in found.values()])
        return Update({"answer": moments.packed()}, weight=len(data))
    ranks = {name: ranked(values, thresholds[name]) for name, (values, _) in found.items()}
    return Update({"answer": Arrays(ranks)}, weight=len(data))


def ranked(values: Array, thresholds: Sequence[float]) -> Array:
    """How many values are below each threshold, and how many are not above it: int64, shape (2, thresholds)."""
    ordered = np.sort(values)
    return np.stack([np.searchsorted(ordered, thresholds, side) for side in ("left", "right")]).astype(
        np.int64
    )


def _understood(question: Mapping[str, Any]) -> tuple[list[str], Mapping[str, list[float]] | None]:
    try:
        columns, thresholds = list(question["columns"]), question.get("thresholds")
        if columns and (thresholds is None or set(thresholds) == set(columns)):
            return columns, thresholds
    except (KeyError, TypeError, AttributeError):
        pass
    raise ConfigError(
        "survey.bad-question", "this is no question of a Survey", "ask it with atoll.algorithms.Survey"
    )


def _told(values: Array, missing: int, *, minimum: int) -> tuple[Array, int]:
    """A column's values, or none at all of so few."""
    return (values, missing) if len(values) >= minimum else (values[:0], 0)


def _numbers(data: Dataset, name: str) -> tuple[Array, int]:
    """A column's values in float64 without the missing ones (NaN), and how many those are."""
    column = column_of(data, name)
    if column.dtype.kind not in "biuf" or column.ndim != 1:
        kind = column.dtype if column.ndim == 1 else f"{column.dtype} of shape {column.shape}"
        mend = "survey columns with one number per row"
        raise DataError("survey.no-numbers", f"column `{name}` is {kind}", mend)
    values = column.astype(np.float64)
    there = values[~np.isnan(values)]
    if np.abs(there).max(initial=0) > _LARGEST:
        message = f"column `{name}` holds infinite values, or such beyond {_LARGEST:g}"
        raise DataError("survey.not-finite", message, "make them NaN, which counts as missing")
    return there, len(values) - len(there)
