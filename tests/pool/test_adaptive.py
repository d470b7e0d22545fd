"""Work begins in one process and moves to a pool when there is much of it; the result is the same."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pool_app
import pytest

import atoll
from atoll.app import Watch
from atoll.runtime import AUTO, AppRef, Simulation, _adaptive
from atoll.values import Config


def until(enough: Any) -> atoll.ServerApp:
    """A server app that trains until a round satisfies `enough(round, pids)`, which ends it."""
    server = atoll.ServerApp()

    @server.main
    def main(fleet: atoll.Fleet, ctx: atoll.ServerContext) -> None:
        for rnd in ctx.rounds(100_000, initial={"model": atoll.Arrays(w=np.zeros(10, np.float32))}):
            mean, pids = atoll.Mean(), set()
            for reply in fleet.ask(atoll.Task("train", {"model": rnd.state["model"]})):
                mean.add(reply)
                pids.add(reply.metrics["pid"])
            rnd.commit({"model": mean.finish()})
            if enough(rnd.number, pids):
                break

    return server


def simulated(server: atoll.ServerApp, workers: int | str) -> atoll.History:
    from atoll.journal import MemoryJournal

    ref = AppRef(pool_app.HERE, "pool_app:client")
    simulation = Simulation(server=server, client=pool_app.client, workers=workers, ref=ref)
    journal = MemoryJournal()
    created = simulation.create(journal, config=Config({}), nodes=5, seed=1)
    return simulation.run(journal, created.id, watch=Watch())


def test_the_move_to_a_pool_changes_nothing_in_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_adaptive, "PATIENCE", 0.0)
    monkeypatch.setattr("atoll.runtime._simulate.processors", lambda: 2)
    moved = simulated(until(lambda _, pids: os.getpid() not in pids), AUTO)
    rounds = len(moved.rounds())
    assert rounds > 1
    assert simulated(until(lambda number, _: number == rounds), 0).model.digest == moved.model.digest


def test_small_work_stays_in_the_process_that_began_it() -> None:
    history = simulated(until(lambda number, _: number == 3), AUTO)
    assert {row.value for row in history.rows if row.metric == "pid"} == {os.getpid()}
