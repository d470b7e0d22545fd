"""Every journal, and events to put into it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atoll import Arrays
from atoll.journal import Committed, Created, Finished, Journal, Logged, MemoryJournal, SqliteJournal, Started
from atoll.values import new_run_id

JOURNALS: dict[str, Callable[[Path], Journal]] = {
    "memory": lambda folder: MemoryJournal(),
    "sqlite": lambda folder: SqliteJournal(folder / "home"),
}


class Make:
    """Makes events; time goes up by one second each."""

    def __init__(self) -> None:
        self._clock = itertools.count(1000)

    def created(self, name: str = "", **fields: Any) -> Created:
        defaults: dict[str, Any] = {
            "id": new_run_id(),
            "app": {"name": "app"},
            "config": {"rounds": 3},
            "seed": 1,
        }
        return Created(**{"time": self.time, "nodes": ["a", "b"], "name": name, **defaults, **fields})

    def started(self, attempt: int = 1) -> Started:
        return Started(time=self.time, attempt=attempt, pid=1)

    def logged(self, message: str = "line") -> Logged:
        return Logged(time=self.time, message=message)

    def committed(self, round: int, **fields: Any) -> Committed:
        return Committed(**{"time": self.time, "round": round, "total": 3, "state": {}, **fields})

    def finished(self, status: str = "finished") -> Finished:
        return Finished(time=self.time, status=status)

    @property
    def time(self) -> float:
        return float(next(self._clock))

    @staticmethod
    def arrays(seed: int = 0, size: int = 10) -> Arrays:
        return Arrays(x=np.random.default_rng(seed).normal(size=size))


@pytest.fixture
def make() -> Make:
    return Make()


@pytest.fixture(params=JOURNALS)
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    journal = JOURNALS[request.param](tmp_path)
    yield journal
    journal.close()
