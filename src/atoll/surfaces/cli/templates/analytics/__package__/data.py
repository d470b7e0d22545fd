"""The data: `load` is the one function to swap for your own."""

import numpy as np
from atoll.data import Table, samples


def load() -> dict[str, Table]:
    """One data set, with the rows of all hospitals; a node has its in `ctx.data`.

    Whose rows they are stands in the column `site`, see `partition` in pyproject.toml.
    A column is one number per row; NaN is a gap, which is counted as missing.
    """
    parts = samples.heart_disease()  # 735 and 185 patients, for training and testing
    names = parts["train"].columns
    both = {name: np.concatenate([p[name] for p in parts.values()]) for name in names}
    return {"patients": Table(both)}
