"""The run that the killed ones are compared with."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from atoll.journal import History

sys.path.insert(0, str(Path(__file__).parent))
from kill_ordeal import Ordeal


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> History:
    """The same run, left in peace."""
    ordeal = Ordeal(tmp_path_factory.mktemp("undisturbed") / "run")
    ordeal.finish()
    assert len(ordeal.ledger()) == 16
    return ordeal.history()
