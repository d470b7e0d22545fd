"""atoll.simulate, as a script or a notebook calls it."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import atoll
from atoll.algorithms import FedAvg
from atoll.app import Watch
from atoll.journal import SqliteJournal
from atoll.values import AtollError, ConfigError, JournalError


def apps(**behaviour: Any) -> tuple[atoll.ServerApp, atoll.ClientApp]:
    server, client = atoll.ServerApp(), atoll.ClientApp()

    @client.train
    def train(model: Any, ctx: Any) -> atoll.Update:
        if ctx.round == behaviour.get("interrupted_in"):
            raise KeyboardInterrupt
        if ctx.round == behaviour.get("fails_in"):
            raise ValueError("damp")
        return atoll.Update(
            model.map(lambda a: a + ctx.rng.normal(size=a.shape)), metrics={"loss": 1.0 / ctx.round}
        )

    @server.main
    def main(fleet: Any, ctx: Any) -> Any:
        return atoll.fit(FedAvg(), fleet, initial={"w": np.zeros(4)}, rounds=ctx.config.rounds)

    return server, client


def simulated(*made: Any, **options: Any) -> atoll.History:
    return atoll.simulate(*made, **{"nodes": 4, "rounds": 3, "watch": Watch(), **options})


def test_apps_defined_here_run_and_tell_their_history() -> None:
    found = simulated(*apps())
    assert found.status == "finished"
    assert [r["train_loss"] for r in found.rounds()] == [1.0, 0.5, pytest.approx(1 / 3)]
    assert found.model["w"].shape == (4,)


def test_the_same_seed_is_the_same_model_and_another_is_not() -> None:
    assert simulated(*apps(), seed=1).model == simulated(*apps(), seed=1).model
    assert simulated(*apps(), seed=1).model != simulated(*apps(), seed=2).model


def test_it_runs_under_a_running_event_loop() -> None:
    async def notebook() -> atoll.History:
        return simulated(*apps())

    assert asyncio.run(notebook()).status == "finished"


def test_it_runs_beside_the_main_thread() -> None:
    found: list[atoll.History] = []
    thread = threading.Thread(target=lambda: found.append(simulated(*apps())))
    thread.start()
    thread.join(30)
    assert found[0].status == "finished"


def test_after_control_c_there_is_partial_history() -> None:
    found = simulated(*apps(interrupted_in=3))
    assert found.status == "stopped"
    assert [r["round"] for r in found.rounds()] == [1, 2]
    assert found.model["w"].any()


def test_with_a_home_the_run_is_kept(tmp_path: Path) -> None:
    found = simulated(*apps(), home=tmp_path, name="mine")
    journal = SqliteJournal(tmp_path)
    assert journal.find("mine").status == "finished"
    assert atoll.History.of(journal, found.run).model == found.model == simulated(*apps()).model
    with pytest.raises(JournalError):
        simulated(*apps(), home=tmp_path, name="mine")


def test_fail_fast_lets_the_users_exception_through() -> None:
    with pytest.raises(ValueError, match="damp"):
        simulated(*apps(fails_in=2), fail_fast=True)


def test_fail_fast_refuses_what_is_invalid_too() -> None:
    server, client = apps()[0], atoll.ClientApp()
    client.train(lambda model: atoll.Update({"w": np.full(4, np.nan)}))
    with pytest.raises(AtollError, match="NaN"):
        simulated(server, client, fail_fast=True)


@pytest.mark.parametrize("nodes", [0, -1])
def test_there_is_at_least_one_node(nodes: int) -> None:
    with pytest.raises(ConfigError):
        simulated(*apps(), nodes=nodes)


def test_a_main_that_returns_no_model_is_refused() -> None:
    server = atoll.ServerApp()
    server.main(lambda fleet, ctx: 3)
    with pytest.raises(AtollError) as refused:
        simulated(server, apps()[1])
    assert refused.value.code == "app.bad-result"
    with pytest.raises(ConfigError) as no_main:
        simulated(atoll.ServerApp(), apps()[1])
    assert no_main.value.code == "app.no-main"


def test_apps_of_a_script_cannot_be_pooled() -> None:
    with pytest.raises(ConfigError) as refused:
        simulated(*apps(), workers=2)
    assert refused.value.code == "simulation.not-importable"


def test_the_servers_lifespan_goes_around_main() -> None:
    server, client = atoll.ServerApp(), apps()[1]
    lived: list[Any] = []

    @server.lifespan
    def life(ctx: Any) -> Any:
        lived.append("begins")
        yield 7
        lived.append("ends")

    @server.main
    def main(fleet: Any, ctx: Any) -> None:
        lived.append((ctx.shared, ctx.config.extra, sorted(fleet.nodes), ctx.rng.integers(1000)))

    simulated(server, client, config={"extra": "x"}, nodes=2)
    simulated(server, client, config={"extra": "x"}, nodes=2)
    assert lived[0::3] == ["begins", "begins"]
    assert lived[1][:3] == (7, "x", ["node-0", "node-1"])
    assert lived[1] == lived[4], "the server's random numbers are the run's"


def test_a_lifespan_that_raises_is_told_even_when_calls_have_a_deadline() -> None:
    client, server = atoll.ClientApp(), atoll.ServerApp()

    @client.lifespan
    def life(config):
        raise OSError("no such camera")
        yield

    client.train(lambda model: None)

    @server.main
    def main(fleet, ctx):
        list(fleet.ask(atoll.Task("train"), atoll.Schedule(deadline=30)))

    with pytest.raises(OSError, match="no such camera"):
        atoll.simulate(server, client, nodes=2)
