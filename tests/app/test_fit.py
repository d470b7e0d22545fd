"""fit: rounds around an algorithm, with evaluation, early stopping, configuration and hooks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from app_world import Power

from atoll import Arrays, ClientApp, Schedule, ServerApp, Update, fit
from atoll.algorithms import FedAvg
from atoll.journal import FINISHED, Committed, Offered
from atoll.runtime import InProcess, attempt
from atoll.values import ConfigError, NotFound

START = Arrays(w=np.zeros(2))


def clients() -> ClientApp:
    app = ClientApp()

    @app.train
    def train(model: Any, ctx: Any) -> Update:
        number = int(ctx.node.partition("-")[2])
        return Update(
            model.map(lambda a: a + ctx.config.lr),
            weight=number,
            metrics={"loss": float(number), "note": "text"},
        )

    @app.evaluate
    def evaluate(model: Any, ctx: Any) -> Update:
        return Update(weight=2, metrics={"accuracy": float(model["w"][0]) / 10, "node": ctx.node})

    return app


def fitted(run: Any, **options: Any) -> Any:
    options = {"initial": START, "rounds": 3, **options}
    return run.go(lambda fleet, ctx: fit(FedAvg(), fleet, **options))


@pytest.fixture
def run(world: Any) -> Any:
    return world(clients(), config={"lr": 1.0})


def test_metrics_are_means_by_weight_and_the_model_is_returned(run: Any) -> None:
    found = fitted(run, evaluate=Schedule(count=2))
    assert found.model["w"].tolist() == [3.0, 3.0]
    (first, _, last) = found.rounds()
    assert first["train_loss"] == pytest.approx((1 + 4 + 9) / 6)
    assert (first["accuracy"], last["accuracy"]) == (pytest.approx(0.1), pytest.approx(0.3))
    assert "train_note" not in first
    assert [(e.round, e.ordinal, e.action) for e in run.events(Offered)][:2] == [
        (1, 0, "train"),
        (1, 1, "evaluate"),
    ]
    assert found.best()["round"] == 3


def test_a_central_evaluation_gets_the_new_model(run: Any) -> None:
    seen: list[Any] = []

    def evaluate(model: Arrays, round: int) -> dict[str, Any]:
        seen.append((round, model["w"][0]))
        return {"accuracy": np.float32(0.5), "kind": "central"}

    found = fitted(run, evaluate=evaluate)
    assert seen == [(1, 1.0), (2, 2.0), (3, 3.0)]
    assert found.rounds()[0]["kind"] == "central"


def test_each_round_can_be_configured(run: Any) -> None:
    assert fitted(run, configure=lambda round: {"lr": 10.0**round}).model["w"][0] == 1110.0


def test_it_stops_early_and_stays_stopped_after_a_resume(run: Any) -> None:
    hooked: list[int] = []

    def stop(rows: Any) -> bool:
        return rows[-1]["train_loss"] > 0 and len(rows) == 2

    def main(fleet: Any, ctx: Any) -> Any:
        model = fit(
            FedAvg(),
            fleet,
            initial=START,
            rounds=9,
            stop=stop,
            on_round=lambda rnd, metrics: hooked.append(rnd.number),
        )
        if cut:
            raise Power
        return model

    cut = True
    with pytest.raises(Power):
        run.go(main)
    cut = False
    assert run.go(main).model["w"].tolist() == [2.0, 2.0]
    assert hooked == [1, 2]


def test_a_hook_may_add_to_the_rounds_metrics(run: Any) -> None:
    found = fitted(run, on_round=lambda rnd, metrics: metrics.update(extra=rnd.number))
    assert [r["extra"] for r in found.rounds()] == [1, 2, 3]


@pytest.mark.parametrize(("best", "kept"), [("accuracy", 2), ("-accuracy", 1), (None, 2), ("-train_loss", 1)])
def test_the_best_model_is_kept(run: Any, best: str | None, kept: int) -> None:
    accuracy = {1: 0.1, 2: 0.9, 3: float("nan"), 4: 0.3, 5: 0.2}
    fitted(run, rounds=5, best=best, evaluate=lambda model, round: {"accuracy": accuracy[round]})
    left = []
    for event in run.events(Committed):
        try:
            run.journal.arrays(run.run, event.state["model"])
            left.append(event.round)
        except NotFound:
            continue
    assert left == [kept, 4, 5]


def test_a_best_metric_that_is_not_there_is_told_with_those_that_are(run: Any) -> None:
    with pytest.raises(ConfigError, match="auc") as missing:
        fitted(run, best="auc")
    assert "train_loss" in missing.value.mend


def test_no_rounds_return_the_initial_model(run: Any) -> None:
    assert fitted(run, rounds=0).model == START


def test_more_rounds_after_all_are_done_go_on(run: Any) -> None:
    fitted(run, rounds=2)
    assert fitted(run, rounds=3).model["w"].tolist() == [3.0, 3.0]
    assert [e.round for e in run.events(Committed)] == [0, 1, 2, 3]


@pytest.mark.parametrize("mapped", [True, False])
def test_a_large_state_need_not_be_held_once_it_is_in_files(run: Any, monkeypatch: Any, mapped: bool) -> None:
    """What the next round begins from is what the journal gives back: equal, and not the arrays that were committed."""
    monkeypatch.setattr("atoll.app._record.MAPPED", 1)
    before, server = [START], ServerApp()

    @server.main
    def main(fleet: Any, ctx: Any) -> None:
        for rnd in fleet.rounds(2, initial={"model": START}):
            model = rnd.state["model"]
            assert (model is before[-1]) is not mapped
            assert model["w"].tolist() == before[-1]["w"].tolist()
            before.append(Arrays(w=model["w"] + 1))
            rnd.commit({"model": before[-1]})

    executor = lambda _: InProcess(run.client, run.bench)  # noqa: E731
    assert attempt(run.journal, run.run, server, executor, mapped=mapped) == FINISHED
