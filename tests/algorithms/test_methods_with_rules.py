"""Methods that average let a rule do it: asked before anybody is, given what the method weighs, and used for the model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import methods_app
import numpy as np
import pytest
from methods_app import Problem, settings

import atoll
from atoll import Arrays
from atoll.algorithms import CoordinateMedian
from atoll.app import Watch
from atoll.values import ConfigError, Contribution

METHODS = [
    "FedAdagrad",
    "FedAdam",
    "FedYogi",
    "FedProx",
    "Scaffold",
    "FedNova",
    "QFedAvg",
    "FedDyn",
    "FedBuff",
    "FedBN",
    "Ditto",
]
ASKED = Problem(seed=7, nodes=4, rounds=2, even=True)


@dataclass
class First:
    """A rule that takes the first reply, after it has seen all."""

    checked: list[int] = field(default_factory=list)
    seen: list[tuple[str, list[float], Arrays]] = field(default_factory=list)

    def check(self, replies: int) -> None:
        self.checked.append(replies)

    def combine(self, replies: Iterable[Contribution], *, name: str = "model", around: Arrays) -> Arrays:
        held = [(r.weight, r[name]) for r in replies]
        self.seen.append((name, [w for w, _ in held], around))
        return held[0][1]


def run(method: str, rule: Any, **options: Any) -> Arrays:
    config = settings(method, ASKED, **options)
    made = methods_app.algorithm(atoll.Config({**config, "options": {**options}}))
    made.rule = rule
    server = atoll.ServerApp()
    server.main(lambda fleet, ctx: atoll.fit(made, fleet, initial=ASKED.start(), rounds=ASKED.rounds))
    return atoll.simulate(
        server, methods_app.client, nodes=4, config=config, watch=Watch(), fail_fast=True
    ).model


@pytest.mark.parametrize("method", METHODS)
def test_a_method_asks_its_rule_before_the_nodes_and_lets_it_combine(method: str) -> None:
    rule = First()
    options = {"buffer": 3, "concurrency": 4} if method == "FedBuff" else {}
    found = run(method, rule, **options)
    replies = 3 if method == "FedBuff" else 4
    assert rule.checked == [replies] * ASKED.rounds
    assert [len(weights) for _, weights, _ in rule.seen] == [replies] * ASKED.rounds
    name, _, around = rule.seen[0]
    if method == "FedBuff":
        assert name == "change"
        assert not around["w"].any(), "a change is measured from nothing"
    else:
        assert (name, around) == ("model", ASKED.start())
    if method in ("FedProx", "Ditto"):
        assert ASKED.start().difference(found) is None
    assert not np.array_equal(found["w"], ASKED.start()["w"])


@pytest.mark.parametrize("method", METHODS)
def test_a_method_with_a_rule_that_needs_all_replies_gets_somewhere(method: str) -> None:
    options = {"buffer": 3, "concurrency": 4} if method == "FedBuff" else {}
    found = run(method, CoordinateMedian(), **options)
    assert ASKED.start().difference(found) is None
    assert all(np.isfinite(a).all() for a in found.values())


def test_a_rule_that_needs_more_replies_is_refused_before_anybody_is_asked() -> None:
    class Never:
        def check(self, replies: int) -> None:
            raise ConfigError("rule.too-few", f"{replies} are too few")

        def combine(self, *_: Any, **__: Any) -> Arrays:
            raise AssertionError("nobody should have been asked")

    with pytest.raises(ConfigError, match="4 are too few"):
        run("Scaffold", Never())
