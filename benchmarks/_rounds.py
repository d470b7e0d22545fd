"""Runs an Atoll simulation and says when each of its rounds ended.

Does not know what the clients do, nor what is a good time.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import atoll
from atoll.app import Watch


class RoundEnds(Watch):  # type: ignore[misc]
    """Notes the moment at which each round was committed; `between` runs after each, outside the time of any."""

    def __init__(self, between: Callable[[int], object] | None = None) -> None:
        self._between = between
        self._since, self._spent = 0.0, 0.0
        self.seconds: list[float] = []
        self.cpu: list[float] = []  # of this process, all its threads

    def began(self, run: str, name: str, rounds_done: int) -> None:
        self._since, self._spent = time.perf_counter(), time.process_time()

    def committed(self, round: int, total: int, metrics: Mapping[str, object], seconds: float) -> None:
        self.seconds.append(time.perf_counter() - self._since)
        self.cpu.append(time.process_time() - self._spent)
        if self._between is not None:
            self._between(round)
        self._since, self._spent = time.perf_counter(), time.process_time()


def simulate(
    server: atoll.ServerApp,
    client: atoll.ClientApp,
    *,
    durable: bool,
    between: Callable[[int], object] | None = None,
    **how: Any,
) -> RoundEnds:
    """Times each round; the first has the start-up of the fleet in it. `durable` keeps the run on
    disk, as `atoll run` does; a run in memory keeps nothing. A failed reply raises: it is quick, and would flatter.
    """
    watch = _Strict(between)
    with tempfile.TemporaryDirectory(prefix="atoll-bench-") as home:
        atoll.simulate(server, client, home=home if durable else None, watch=watch, **how)
    return watch


def steady(rounds: Sequence[float], *, after: int = 1) -> float:
    """The median second of the rounds after the first few."""
    return statistics.median(rounds[after:] or rounds)


class _Strict(RoundEnds):
    def failed(self, round: int, failure: Any) -> None:
        raise RuntimeError(
            f"{failure.node} {failure.kind} in round {round}: {failure.message}\n{failure.traceback}"
        )
