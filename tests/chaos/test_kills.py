"""Whoever is killed, however often: nothing lost, nothing counted twice, the same model as undisturbed and simulated."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from ordeal import APP, Ordeal, children, kill

from atoll.app import read_project
from atoll.journal import FINISHED, Accepted, Called, Committed, Event, MemoryJournal
from atoll.runtime import of_project
from atoll.values import Arrays

TARGETS = ("coordinator", "node", "worker", "host", "program")
SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)


def simulated(nodes: int, rounds: int) -> Arrays:
    """The model of the simulation."""
    project = read_project(APP)
    simulation = of_project(project, workers=0)
    config = project.config.override({"rounds": rounds})
    journal = MemoryJournal()
    created = simulation.create(journal, config=config, nodes=nodes, seed=11)
    return simulation.run(journal, created.id).model


def disturb(ordeal: Ordeal, random: random.Random, kills: int, *, every: int) -> list[str]:
    """Kill so many processes, each after a random number of trainings (`every` at most) and a moment more."""
    done: list[str] = []
    while len(done) < kills and not ordeal.finished():
        assert ordeal.hear(random.randrange(every)), ordeal.tails()
        spin(random.random() * 0.1)
        if killed := strike(ordeal, random.choice(TARGETS), random):
            done.append(killed)
    return done


def strike(ordeal: Ordeal, target: str, random: random.Random) -> str:
    """Kill one process of a kind; "" when there is none just now."""
    node = f"node-{random.randrange(ordeal.count)}"
    if target in ("coordinator", "host", "node"):
        name = node if target == "node" else target
        ordeal.daemons[name].kill()
        return name
    parent = node if target == "worker" else "host"
    living = children(ordeal.daemons[parent].pid)
    return f"{target} of {parent}" if living and kill(random.choice(living)) else ""


def spin(seconds: float) -> None:
    """A moment, to the microsecond."""
    import time

    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


def examine(ordeal: Ordeal, rounds: int) -> None:
    """The ledger of the clients and the coordinator's journal tell the same story, and each reply counted once."""
    finished = ordeal.end()
    assert finished.status == FINISHED, (finished.reason, ordeal.tails())
    events: list[Event] = [e for _, e in ordeal.events()[0]]
    assert [e.round for e in events if isinstance(e, Committed)] == list(range(rounds + 1))
    everybody = {(r, f"node-{i}") for r in range(1, rounds + 1) for i in range(ordeal.count)}
    accepted = [(e.round, e.node) for e in events if isinstance(e, Accepted)]
    assert len(accepted) == len(set(accepted)) == len(everybody), "a reply was lost, or counted twice"
    assert any(isinstance(e, Called) for e in events)
    noted = ordeal.noted()
    assert set(noted.ended) == everybody
    counts = {(e.round, e.node): e.metrics["count"] for e in events if isinstance(e, Accepted)}
    assert all(count == round for (round, _), count in counts.items()), (
        "a node's state was applied twice, or lost"
    )
    assert ordeal.model().digest == simulated(ordeal.count, rounds).digest


@pytest.mark.parametrize(
    ("nodes", "rounds", "kills", "work"),
    [pytest.param(3, 8, 12, 0.03), pytest.param(8, 20, 200, 0.2, marks=pytest.mark.chaos)],
    ids=["short", "long"],
)
@pytest.mark.timeout(3600)
def test_two_hundred_kills_change_nothing(
    nodes: int, rounds: int, kills: int, work: float, tmp_path: Path
) -> None:
    print(f"SEED={SEED}")
    ordeal = Ordeal(tmp_path / "federation", nodes=nodes)
    ordeal.begin(rounds=rounds, work=work)
    done = disturb(ordeal, random.Random(SEED), kills, every=3)
    try:
        examine(ordeal, rounds)
    finally:
        print(f"{len(done)} kills: {done}")
        ends = ordeal.close()
    assert set(ends.values()) == {0}, ordeal.tails()
