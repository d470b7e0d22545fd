"""A task is what travels, in both worlds alike: what can't is refused where it is made."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from atoll import Task
from atoll.values import ConfigError


@pytest.mark.parametrize(
    ("config", "where"),
    [
        ({"lr": math.nan}, "config.lr is nan"),
        ({"clip": math.inf}, "config.clip is inf"),
        ({"steps": [1.0, {"decay": np.float32("-inf")}]}, r"config.steps\[1\].decay is -inf"),
    ],
    ids=["nan", "inf", "deep"],
)
def test_a_number_that_json_has_no_word_for_is_refused_where_the_task_is_made(
    config: dict[str, Any], where: str
) -> None:
    with pytest.raises(ConfigError, match=f"a task's {where}") as refused:
        Task("train", config=config)
    assert refused.value.code == "config.odd-number"


def test_other_numbers_travel() -> None:
    config = {"lr": 1e308, "rounds": 3, "on": True, "none": None, "deep": {"list": [0.5, "nan"]}}
    assert Task("train", config=config).config == config
