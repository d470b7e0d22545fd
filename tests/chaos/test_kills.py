"""Whoever is killed, however often: nothing lost, nothing counted twice, the same model as undisturbed and simulated."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from ordeal import Ordeal, children, kill
from verdict import examine

TARGETS = ("coordinator", "node", "worker", "host", "program")
SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)


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
