"""What is sent of an app to a federation, and what is refused before anything is sent."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from atoll.app import read_project
from atoll.surfaces._faraway import Faraway, needs_of
from atoll.surfaces._places import Place
from atoll.values import Config, ConfigError
from atoll.wire import Needs

APP = '[tool.atoll]\nserver = "a:app"\nclient = "a:app"\n'


def test_a_config_that_json_has_no_word_for_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(APP)
    faraway = Faraway(Place(url="http://127.0.0.1:1"))
    with pytest.raises(ConfigError, match=r"the run's config\.model\.clip is inf") as refused:
        faraway.begin(read_project(tmp_path), Config({"model": {"clip": math.inf}}), seed=0)
    assert refused.value.code == "config.odd-number"
    faraway.close()


def test_what_a_task_needs_is_what_the_project_says(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(f'{APP}[tool.atoll.resources]\ngpus = 1\nmemory = "4 GB"\n')
    assert needs_of(read_project(tmp_path)) == Needs(gpus=1, memory=4_000_000_000)
    (tmp_path / "pyproject.toml").write_text(APP)
    assert needs_of(read_project(tmp_path)) == Needs()
