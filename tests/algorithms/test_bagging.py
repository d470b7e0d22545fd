"""Trees of many sites become one model, by bagging or in turn; models are bytes all the way."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import atoll
from atoll.algorithms import Bagging, Cyclic
from atoll.data import Table
from atoll.frameworks.boosters import packed, rounds_of, unpacked
from atoll.values import AtollError, TooFewReplies

xgboost = pytest.importorskip("xgboost")

from atoll.xgboost import boost, get_arrays, set_arrays  # noqa: E402

sys.path.insert(0, str(Path(__file__).parent))
from by_site import Power, cut_and_resumed, simulated  # noqa: E402

PARAMS = {"objective": "binary:logistic", "max_depth": 3, "eta": 0.5}
NODES = 3


def drawn(seed: int = 0, rows: int = 150) -> Table:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 3))
    y = (x[:, 0] * x[:, 1] + 0.3 * rng.normal(size=rows) > 0) + 0.0
    return Table(x=x, y=y, site=rng.integers(NODES, size=rows))


def matrix(rows: Table) -> Any:
    return xgboost.DMatrix(rows["x"], rows["y"], nthread=1)


def client(method: type) -> atoll.ClientApp:
    app = atoll.ClientApp()

    @app.train
    def train(model: Any, ctx: Any) -> atoll.Update:
        rows = ctx.data["rows"]
        booster = boost(PARAMS, matrix(rows), model)
        if method is Cyclic:
            return atoll.Update(get_arrays(booster), weight=len(rows), metrics={ctx.node: 1})
        return Bagging.half(model).update(get_arrays(booster, since=model), weight=len(rows))

    @app.evaluate
    def evaluate(model: Any, ctx: Any) -> atoll.Update:
        booster = xgboost.Booster({"nthread": 1})
        set_arrays(booster, model)
        rows = ctx.data["rows"]
        right = (booster.predict(matrix(rows)) > 0.5) == rows["y"]
        return atoll.Update(weight=len(rows), metrics={"accuracy": float(right.mean())})

    return app


def trained(method: Any, *, rounds: int = 4, **options: Any) -> atoll.History:
    start = method.empty()
    return simulated(
        lambda fleet, ctx: atoll.fit(method, fleet, initial=start, rounds=rounds, **options),
        client(type(method)), drawn(), nodes=NODES,
    )  # fmt: skip


def by_hand(rounds: int) -> Any:
    """Bagging written out: predictions, not trees, are averaged."""
    rows, model, margin = drawn(), Bagging.empty(), 0.0
    for _ in range(rounds):
        parts = [rows[rows["site"] == site] for site in range(NODES)]
        boosters = [boost(PARAMS, matrix(part), model) for part in parts]
        margins = [b.predict(matrix(rows), output_margin=True) for b in boosters]
        margin = margin + np.average(
            [m - margin for m in margins], axis=0, weights=[len(p) for p in parts]
        ).astype("f4")
        model = trained(Bagging(), rounds=rounds_of(unpacked(model)) // NODES + 1).model
    return margin


def test_bagging_adds_the_mean_by_weight_of_what_the_nodes_trees_add() -> None:
    booster = xgboost.Booster()
    set_arrays(booster, trained(Bagging(), rounds=3).model)
    np.testing.assert_allclose(
        booster.predict(matrix(drawn()), output_margin=True), by_hand(3), rtol=1e-4, atol=1e-4
    )


def test_bagging_learns_and_holds_every_nodes_trees() -> None:
    history = trained(Bagging(), rounds=8, evaluate=atoll.Schedule())
    assert rounds_of(unpacked(history.model)) == 8 * NODES
    accuracy = [r["accuracy"] for r in history.rounds()]
    assert accuracy[-1] > max(0.85, accuracy[0])


def test_cyclic_training_is_that_of_one_node_after_the_other() -> None:
    history = trained(Cyclic(), rounds=5)
    rows, model = drawn(), Cyclic.empty()
    for round in range(5):
        model = get_arrays(boost(PARAMS, matrix(rows[rows["site"] == round % NODES]), model))
    assert history.model == model
    turns = [next(n for n in row if n.startswith("train_")) for row in history.rounds()]
    assert turns == [f"train_node-{n}" for n in (0, 1, 2, 0, 1)]


def test_cyclic_training_takes_any_model_and_can_demand_that_it_stays_alike() -> None:
    app = atoll.ClientApp()

    @app.train
    def train(model: Any, ctx: Any) -> atoll.Update:
        return atoll.Update({"w": model["w"] * 2 + 1, **({"odd": np.zeros(1)} if ctx.config.odd else {})})

    def model(method: Any, *, odd: bool) -> Any:
        def main(fleet: Any, ctx: Any) -> Any:
            return atoll.fit(method, fleet, initial={"w": np.zeros(1)}, rounds=3)

        return simulated(main, app, drawn(), nodes=NODES, odd=odd).model

    assert model(Cyclic(alike=True), odd=False)["w"] == 7
    assert set(model(Cyclic(), odd=True)) == {"w", "odd"}
    with pytest.raises(AtollError, match="unexpected `odd`"):
        model(Cyclic(alike=True), odd=True)


@pytest.mark.parametrize("method", [Bagging, Cyclic])
def test_a_run_that_was_cut_off_goes_on_to_the_same_trees(method: Any, tmp_path: Path) -> None:
    cuts = [True]

    def main(fleet: Any, ctx: Any) -> atoll.Arrays:
        def cut(rnd: Any, metrics: Any) -> None:
            if rnd.number == 2 and cuts and cuts.pop():
                raise Power

        return atoll.fit(method(), fleet, initial=method.empty(), rounds=4, on_round=cut)

    assert (
        cut_and_resumed(main, client(method), drawn(), tmp_path, nodes=NODES).model == trained(method()).model
    )
    assert not cuts


def answering(update: Any) -> atoll.ClientApp:
    app = atoll.ClientApp()
    app.train(update)
    return app


@pytest.mark.parametrize(
    ("update", "why"),
    [
        (lambda model: atoll.Update(model), "without the client's half"),
        (lambda model: Bagging.half(model).update(model), "no model of XGBoost"),
        (lambda model: Bagging.half(model).update(atoll.Arrays(w=np.zeros(2))), "is not one array"),
        (lambda model: Bagging.half(model).update(packed(b"{}")), "no model of XGBoost"),
        (lambda model: atoll.Update({"half": "Bagging", "trees": 3}), "no arrays called `trees`"),
    ],
    ids=["no half", "nothing", "arrays", "rubbish", "a number"],
)
def test_what_are_no_trees_is_refused(update: Any, why: str) -> None:
    with pytest.raises(TooFewReplies, match=why):
        simulated(
            lambda fleet, ctx: atoll.fit(Bagging(), fleet, initial=Bagging.empty(), rounds=1),
            answering(update), drawn(), nodes=NODES,
        )  # fmt: skip


def test_a_model_to_begin_with_is_bytes() -> None:
    with pytest.raises(AtollError) as refused:
        Bagging().begin(atoll.Arrays(w=np.zeros(2)))
    assert refused.value.code == "booster.malformed"
