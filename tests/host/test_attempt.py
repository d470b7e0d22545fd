"""A server app over the wire: what it computes is what it computes in simulation, whatever is killed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from small_desk import Desk

from atoll import Arrays, ClientApp, Mean, Schedule, ServerApp, Task, Update
from atoll.app import Bench
from atoll.journal import Committed, Created, Finished, History, MemoryJournal
from atoll.runtime import InProcess, drive
from atoll.service.host._attempt import Attempt
from atoll.service.host._conversation import Conversation
from atoll.service.host._journal import WireJournal
from atoll.service.host._objects import Objects
from atoll.service.host._packing import Packing
from atoll.store import MemoryStore
from atoll.values import Config
from atoll.wire import Attend, Attended


def clients() -> ClientApp:
    app = ClientApp()

    @app.train
    def train(model: Any, ctx: Any) -> Update:
        ctx.state["visits"] = ctx.state.get("visits", 0) + 1
        new = model.map(lambda a: a * 0.5 + ctx.rng.normal(size=a.shape) + ctx.state["visits"])
        return Update(new, weight=1 + ctx.rng.integers(5), metrics={"visits": ctx.state["visits"]})

    @app.evaluate
    def evaluate(model: Any) -> dict[str, float]:
        return {"mean": float(model["w"].mean())}

    return app


def averaging(size: int = 100, rounds: int = 3, **schedule: Any) -> Callable[..., Any]:
    def main(fleet: Any, ctx: Any) -> Arrays:
        list(fleet.ask(Task("evaluate", {"model": Arrays(w=np.ones(size))})))
        loop = ctx.rounds(rounds, initial={"model": Arrays(w=np.zeros(size), b=np.ones(3))})
        for rnd in loop:
            mean = Mean()
            for reply in fleet.ask(Task("train", {"model": rnd.state["model"]}), Schedule(**schedule)):
                mean.add(reply)
            state = {"model": mean.finish()}
            values = [r.metrics["mean"] for r in fleet.ask(Task("evaluate", state))]
            rnd.commit(state, metrics={"mean": float(np.mean(values))})
        return loop.state["model"]

    return main


def attempt(desk: Desk) -> Attempt:
    attended = desk.call("POST", "/v1/runs/run/attend", Attend(), Attended)
    talk, packing = Conversation(desk, "run", attended.fence), Packing(desk.push)
    objects = Objects(MemoryStore(), desk.pull)
    return Attempt(attended.spec, WireJournal(desk, "run", talk, packing, objects), talk, packing, objects)


def deployed(desk: Desk, main: Callable[..., Any]) -> History:
    server = ServerApp()
    server.main(main)
    attempt(desk).run(server)
    return history(desk)


def history(desk: Desk) -> History:
    return History.of(attempt(desk).journal, "run")


def simulated(client: ClientApp, created: Created, main: Callable[..., Any]) -> History:
    journal, server = MemoryJournal(), ServerApp()
    server.main(main)
    journal.create(created)
    bench = lambda: Bench(Config(created.config))  # noqa: E731
    return drive(journal, created.id, server, lambda record: InProcess(client, bench))


@pytest.mark.parametrize("size", [100, 100_000], ids=["inline", "objects"])
def test_a_deployed_run_equals_the_simulation_to_the_bit(size: int) -> None:
    desk = Desk(clients())
    found, expected = deployed(desk, averaging(size)), simulated(clients(), desk.created, averaging(size))
    assert found.status == "finished"
    assert found.model == expected.model
    timeless = lambda h: [(r.round, r.node, r.phase, r.metric, r.value) for r in h if r.metric != "seconds"]  # noqa: E731
    assert timeless(found) == timeless(expected)
