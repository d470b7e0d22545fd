"""Killed at every place that the commit primitive registers, a run goes on to the same model."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from kill_ordeal import Ordeal

from atoll.journal import History, SqliteJournal
from atoll.values import FAILPOINTS
from forked import Ready

assert SqliteJournal, "importing it registers its failpoints"


@pytest.mark.parametrize("passage", [1, 2, 5])
@pytest.mark.parametrize("name", [n for n in FAILPOINTS if n.startswith("journal.")])
def test_a_run_killed_at_a_failpoint_ends_with_the_same_model(
    name: str, passage: int, tmp_path: Path, ready: Ready, undisturbed: History
) -> None:
    ordeal = Ordeal(tmp_path / "run", ready)
    assert ordeal.wait(ordeal.start(failpoint=f"{name}:{passage}")) == -signal.SIGKILL
    ordeal.finish()
    ordeal.nothing_was_trained_again()
    assert ordeal.history().model == undisturbed.model
