"""Whoever is killed, however often: nothing lost, nothing counted twice, the same model as undisturbed and simulated."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from accounts import audit
from kills import EVERYBODY, MIDDLE, SEED, Moment, at_any_time, disturb, while_they_train
from ordeal import Ordeal
from verdict import examine


@pytest.mark.parametrize(
    ("nodes", "rounds", "kills", "work"),
    [pytest.param(3, 6, 12, 0.03), pytest.param(8, 20, 200, 0.2, marks=pytest.mark.chaos)],
    ids=["short", "long"],
)
@pytest.mark.timeout(3600)
def test_two_hundred_kills_change_nothing(
    nodes: int, rounds: int, kills: int, work: float, tmp_path: Path
) -> None:
    ordeal = Ordeal(tmp_path / "federation", nodes=nodes)
    suffer(ordeal, rounds, kills, work=work, targets=EVERYBODY, moment=while_they_train)


@pytest.mark.parametrize(
    ("rounds", "kills"),
    [pytest.param(4, 14), pytest.param(60, 200, marks=pytest.mark.chaos)],
    ids=["short", "long"],
)
@pytest.mark.timeout(3600)
def test_the_host_killed_with_its_coordinator_changes_nothing(
    rounds: int, kills: int, tmp_path: Path
) -> None:
    ordeal = Ordeal(tmp_path / "federation", nodes=3, embedded=True)
    suffer(ordeal, rounds, kills, work=0.05, targets=MIDDLE, moment=at_any_time)


@pytest.mark.parametrize(
    ("nodes", "rounds", "kills", "work"),
    [pytest.param(3, 4, 12, 0.03), pytest.param(8, 20, 200, 0.2, marks=pytest.mark.chaos)],
    ids=["short", "long"],
)
@pytest.mark.timeout(3600)
def test_two_hundred_kills_change_nothing_where_everybody_is_known_by_a_key(
    nodes: int, rounds: int, kills: int, work: float, tmp_path: Path
) -> None:
    ordeal = Ordeal(tmp_path / "federation", nodes=nodes, keys=True)
    suffer(ordeal, rounds, kills, work=work, targets=EVERYBODY, moment=while_they_train)


def suffer(
    ordeal: Ordeal, rounds: int, kills: int, *, work: float, targets: tuple[str, ...], moment: Moment
) -> None:
    """A run with kills, and what has to be true of its end."""
    print(f"SEED={SEED}")
    with ordeal:
        ordeal.begin(rounds=rounds, work=work, gated=True)
        done = disturb(ordeal, random.Random(SEED), rounds, kills, targets=targets, moment=moment)
        print(f"{len(done)} kills: {done}")
        accepted = examine(ordeal, rounds)
    audit(ordeal, accepted)
