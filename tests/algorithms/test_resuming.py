"""A run of any method that is cut off goes on to the same model to the bit, and workers of a pool give it, too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from app_world import Power, World
from methods_app import Problem, algorithm, client, settings

import atoll
from atoll import fit
from atoll.app import Watch
from atoll.journal import SqliteJournal

METHODS = {
    "FedAdagrad": {}, "FedAdam": {}, "FedYogi": {}, "FedProx": {}, "Scaffold": {}, "FedNova": {}, "QFedAvg": {},
    "FedDyn": {"alpha": 0.5}, "FedBN": {}, "Ditto": {}, "IFCA": {},
}  # fmt: skip
ASKED = Problem(seed=8, nodes=5, rounds=4, dtype="float32")


def driven(folder: Path, method: str, *, cuts: list[int], **options: Any) -> dict[int, str]:
    """Run it, with the power cut before the commit of these rounds; gives each round's model, as its last attempt had it."""
    world = World(client, SqliteJournal(folder), nodes=ASKED.nodes, config=settings(method, ASKED, **options))
    seen: dict[int, str] = {}

    def main(fleet: Any, ctx: Any) -> Any:
        def evaluate(model: atoll.Arrays, round: int) -> dict[str, Any]:
            if before := seen.get(round):
                assert before == model.digest, f"round {round} came to another model the second time"
            seen[round] = model.digest
            if round in cuts:
                cuts.remove(round)
                raise Power
            return {}

        made = algorithm(ctx.config)
        return fit(
            made,
            fleet,
            initial=ASKED.start(),
            rounds=ASKED.rounds,
            evaluate=evaluate,
            schedule=atoll.Schedule(count=3),
        )

    while True:
        try:
            world.go(main)
            return seen
        except Power:
            continue


@pytest.mark.parametrize("method", METHODS)
def test_a_run_that_is_cut_off_before_each_commit_ends_with_the_same_models(
    method: str, tmp_path: Path
) -> None:
    """What the server or a node remembered outside of named state would be gone, or applied twice."""
    whole = driven(tmp_path / "whole", method, cuts=[], **METHODS[method])
    again = driven(tmp_path / "cut", method, cuts=[1, 2, 3, 4], **METHODS[method])
    assert len(whole) == ASKED.rounds
    assert again == whole


def test_a_step_of_fedbuff_that_is_cut_off_is_made_again_of_the_same_replies(tmp_path: Path) -> None:
    """`driven` compares both attempts; what was under way is asked again, so later rounds may differ from a whole run's."""
    assert len(driven(tmp_path, "FedBuff", cuts=[1, 3], buffer=2, concurrency=3)) == ASKED.rounds


class Together:
    """All methods at once, one after the other in each round, so that one pool is started for all of them."""

    def __init__(self) -> None:
        self.methods = {m: algorithm(atoll.Config(settings(m, ASKED, **o))) for m, o in METHODS.items()}

    def begin(self, model: atoll.Arrays) -> Any:
        states = {f"{m}_{n}": a for m, made in self.methods.items() for n, a in made.begin(model).items()}
        return {"model": model, **states}

    def round(self, state: Any, ask: Any) -> Any:
        new = {"model": state["model"]}
        for method, made in self.methods.items():
            own = {n.removeprefix(f"{method}_"): a for n, a in state.items() if n.startswith(f"{method}_")}
            new |= {f"{method}_{n}": a for n, a in made.round(own, _Told(ask, method)).items()}
        return new


class _Told:
    """An ask that tells nodes which method it is."""

    def __init__(self, ask: Any, method: str) -> None:
        self._ask, self._method, self.nodes, self.expected = ask, method, ask.nodes, ask.expected

    def __call__(self, task: atoll.Task) -> Any:
        return self._ask(atoll.Task(task.action, task.payload, {"method": self._method}))


def together(workers: int) -> dict[str, str]:
    """Each method's state after the last round."""
    server, last = atoll.ServerApp(), {}

    @server.main
    def main(fleet: Any, ctx: Any) -> None:
        loop = ctx.rounds(ASKED.rounds, initial=Together().begin(ASKED.start()))
        for rnd in loop:
            rnd.commit(Together().round(rnd.state, _Fleet(fleet)))
        last.update({n: a.digest for n, a in loop.state.items()})

    config = settings("FedAvg", ASKED)
    atoll.simulate(server, client, nodes=ASKED.nodes, config=config, workers=workers, watch=Watch())
    return last


class _Fleet:
    """A fleet of which 4 nodes are asked."""

    def __init__(self, fleet: Any) -> None:
        self._fleet, self.nodes, self.expected = fleet, fleet.nodes, 4

    def __call__(self, task: atoll.Task) -> Any:
        return self._fleet.ask(task, atoll.Schedule(count=4))


def test_two_workers_come_to_the_same_models_and_memories_to_the_bit() -> None:
    here = together(0)
    assert len(here) > len(METHODS)
    assert together(2) == here
