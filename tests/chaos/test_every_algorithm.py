"""Every algorithm and every rule, whoever is killed: the same as simulated, to the bit, with all that a method remembers."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
from kills import EVERYBODY, SEED, disturb, while_they_train
from ordeal import Ordeal
from verdict import examine

from atoll import algorithms
from atoll.app import resolve
from atoll.journal import FINISHED, Accepted, Committed

APP = Path(__file__).parent / "algorithms_app"
QUICK = ("FedAvgM", "Scaffold")  # their memory lies at the server; at the server and at the nodes
ASYNCHRONOUS = ("FedBuff",)
IN_TURN = ("Cyclic",)
ABSTRACT = ("Collects", "Rule")


def offered(method: str) -> list[str]:
    """The names in atoll.algorithms of what has a method."""
    named = {name: getattr(algorithms, name) for name in algorithms.__all__}
    return sorted(name for name, made in named.items() if hasattr(made, method) and name not in ABSTRACT)


ALGORITHMS, RULES = offered("begin"), offered("combine")


def test_every_algorithm_and_every_rule_has_an_ordeal() -> None:
    for name, there in (("METHODS", ALGORITHMS), ("RULES", RULES)):
        assert sorted(resolve(f"every.methods:{name}", APP, what="the app of the ordeals")) == there


@pytest.mark.parametrize("method", QUICK)
def test_a_few_kills_change_nothing(method: str, tmp_path: Path) -> None:
    suffer(tmp_path, rounds=2, kills=3, nodes=2, method=method)


@pytest.mark.chaos
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("method", [name for name in ALGORITHMS if name not in ASYNCHRONOUS])
def test_kills_change_no_algorithm(method: str, tmp_path: Path) -> None:
    if method == "Bagging":
        pytest.importorskip("xgboost")
    suffer(tmp_path, rounds=6, kills=24, nodes=4, method=method)


@pytest.mark.chaos
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("rule", RULES)
def test_kills_change_no_rule(rule: str, tmp_path: Path) -> None:
    suffer(tmp_path, rounds=4, kills=16, nodes=7, rule=rule)


@pytest.mark.chaos
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("method", ASYNCHRONOUS)
def test_kills_lose_no_update_and_count_none_twice_where_nobody_waits(method: str, tmp_path: Path) -> None:
    """The same to the bit is not promised there; but each node's replies follow one upon another, and every step has its number."""
    rounds, buffer = 6, 4
    with Ordeal(tmp_path / "federation", nodes=4, app=APP) as ordeal:
        ordeal.begin(rounds=rounds, work=0.03, gated=True, settings={"method": method})
        strike(ordeal, rounds, kills=24)
        finished = ordeal.end()
        assert finished.status == FINISHED, (finished.reason, ordeal.tails())
        events = ordeal.everything()
        model = ordeal.state()["model"]
    assert [e.round for e in events if isinstance(e, Committed)] == list(range(rounds + 1))
    accepted = [e for e in events if isinstance(e, Accepted)]
    assert len(accepted) >= rounds * buffer
    counts = Counter(e.node for e in accepted)
    told = {(e.node, e.metrics["count"]) for e in accepted}
    assert told == {(node, n) for node, last in counts.items() for n in range(1, last + 1)}
    assert 0 < model["body"].mean() < 3


def suffer(folder: Path, *, rounds: int, kills: int, nodes: int, **settings: str) -> None:
    """A run with kills, and what has to be true of its end."""
    with Ordeal(folder / "federation", nodes=nodes, app=APP) as ordeal:
        ordeal.begin(rounds=rounds, work=0.03, gated=True, settings=settings)
        strike(ordeal, rounds, kills)
        examine(ordeal, rounds, in_turn=settings.get("method") in IN_TURN)


def strike(ordeal: Ordeal, rounds: int, kills: int) -> None:
    """So many kills of anybody, from the first training to the last."""
    print(f"SEED={SEED}")
    done = disturb(ordeal, random.Random(SEED), rounds, kills, targets=EVERYBODY, moment=while_they_train)
    print(f"{len(done)} kills: {done}")
