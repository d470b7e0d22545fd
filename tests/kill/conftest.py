"""The run that the killed ones are compared with."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from atoll.journal import History

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from kill_ordeal import RUN, Ordeal

from forked import Ready
from forked import ready as make_ready


@pytest.fixture(scope="session")
def ready() -> Iterator[Ready]:
    """What every run is a fork of: imports take longer than a run."""
    with make_ready(RUN) as process:
        yield process


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, ready: Ready) -> History:
    """The same run, left in peace."""
    ordeal = Ordeal(tmp_path_factory.mktemp("undisturbed") / "run", ready)
    ordeal.finish()
    assert len(ordeal.ledger()) == 16
    return ordeal.history()
