"""FedBN and Ditto keep at each node what their papers keep there; IFCA finds clusters; all written out in float64."""

from __future__ import annotations

from typing import Any

import methods_app
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from methods_app import Problem, settings
from methods_world import close, mean, problems, run, some, wide

import atoll
from atoll import Arrays
from atoll.algorithms import IFCA, Ditto, FedBN
from atoll.app import Watch
from atoll.values import ConfigError

START = Arrays(w=np.zeros(2), bn=np.ones(3))


@some
@given(asked=problems)
def test_fedbn_shares_all_but_what_is_local(asked: Problem) -> None:
    """Li et al. 2021, algorithm 1: each node goes on with its own local arrays."""
    x, nodes = wide(asked.start()), [asked.node(k) for k in range(asked.nodes)]
    own = [x["bn"] for _ in nodes]
    for _ in range(asked.rounds):
        trained = [k.sgd({**x, "bn": b}) for k, b in zip(nodes, own, strict=True)]
        own = [y["bn"] for y in trained]
        x = {**mean(trained, [k.weight for k in nodes]), "bn": x["bn"]}
    history = run("FedBN", asked)
    close(history.model, x, asked)
    assert history.model["bn"] == asked.start()["bn"], "to the bit: what is local was never averaged"


def test_what_is_local_is_remembered_and_never_leaves() -> None:
    asked = Problem(seed=3, nodes=2, rounds=3)
    rows = {(r.round, r.node): r.value for r in run("FedBN", asked).rows if r.metric == "bn" and r.node}
    for number in range(2):
        node, bn = asked.node(number), wide(asked.start())
        for round in range(1, 4):
            assert rows[round, f"node-{number}"] == pytest.approx(float(bn["bn"]), rel=1e-12)
            bn = node.sgd(bn)


def test_a_reply_holds_the_given_arrays_where_the_nodes_own_are_local() -> None:
    client, server, sent = atoll.ClientApp(), atoll.ServerApp(), []

    @client.train
    def train(model: Any, local: Any, ctx: Any) -> Any:
        half = FedBN.half(model, local, ctx)
        sent.append(half.update({n: a + 1 for n, a in half.model.items()}))
        return sent[-1]

    server.main(lambda fleet, ctx: atoll.fit(FedBN(), fleet, initial=START, rounds=2))
    atoll.simulate(server, client, nodes=1, watch=Watch(), fail_fast=True)
    assert [update.payload["model"]["bn"].tolist() for update in sent] == [[1.0] * 3] * 2
    assert [update.payload["model"]["w"].tolist() for update in sent] == [[1.0] * 2, [2.0] * 2]


@pytest.mark.parametrize(
    ("local", "which"),
    [(["nothing"], "none"), (["*"], "all"), (["BN"], "none")],
    ids=["none", "all", "case counts"],
)
def test_patterns_that_leave_nothing_to_do_are_refused(local: list[str], which: str) -> None:
    with pytest.raises(ConfigError, match=f"match {which} of the model's names: w, bn"):
        FedBN(local=local).begin(START)


@pytest.mark.parametrize("local", ["bn", []], ids=str)
def test_local_is_a_list_of_patterns(local: Any) -> None:
    with pytest.raises(ConfigError, match="a list of patterns"):
        FedBN(local=local)


@some
@given(asked=problems, lam=st.sampled_from([0.0, 0.5]))
def test_ditto_trains_an_own_model_on_a_spring_beside_the_common_one(asked: Problem, lam: float) -> None:
    """Li et al. 2021, algorithm 1: v_k <- v_k - eta (grad F_k(v_k) + lam (v_k - w))."""
    x, nodes = wide(asked.start()), [asked.node(k) for k in range(asked.nodes)]
    own = [dict(x) for _ in nodes]
    for _ in range(asked.rounds):
        own = [
            k.sgd(v, lambda now, x=x: {n: lam * (now[n] - x[n]) for n in ("w", "bn")})
            for k, v in zip(nodes, own, strict=True)
        ]
        x = mean([k.sgd(x) for k in nodes], [k.weight for k in nodes])
    history = run("Ditto", asked, lam=lam)
    close(history.model, x, asked)
    kept = [r.value for r in history.rows if r.metric == "own" and r.node and r.round == asked.rounds]
    tolerance = {"float64": 1e-9, "float32": 2e-5, "bfloat16": 0.12}[asked.dtype]
    np.testing.assert_allclose(kept, [v["bn"] for v in own], rtol=tolerance, atol=tolerance)


def evaluated(method: str, personal: Any, **options: Any) -> dict[str, float]:
    """What nodes find when they evaluate the last model, made their own."""
    client, server = atoll.ClientApp(), atoll.ServerApp()
    asked = Problem(seed=3, nodes=3)
    config = settings(method, asked, **options)
    client.train(methods_app.train)

    @client.evaluate
    def evaluate(model: Any, ctx: Any) -> Any:
        return {"bn": float(personal(model, ctx)["bn"]), "common": float(model["bn"])}

    @server.main
    def main(fleet: Any, ctx: Any) -> Any:
        algorithm = methods_app.algorithm(ctx.config)
        return atoll.fit(algorithm, fleet, initial=asked.start(), rounds=2, evaluate=atoll.Schedule())

    rows = atoll.simulate(server, client, nodes=3, config=config, watch=Watch(), fail_fast=True).rows
    return {
        f"{r.node} {r.metric}": r.value
        for r in rows
        if r.round == 2 and r.node and r.metric in ("bn", "common")
    }


@pytest.mark.parametrize(("method", "personal"), [("FedBN", FedBN.personal), ("Ditto", Ditto.personal)])
def test_a_node_evaluates_a_model_of_its_own(method: str, personal: Any) -> None:
    found = evaluated(method, personal)
    assert len({v for n, v in found.items() if n.endswith(" bn")}) == 3
    assert len({v for n, v in found.items() if n.endswith(" common")}) == 1


@some
@given(asked=problems)
def test_ifca_averages_those_that_took_the_same_model(asked: Problem) -> None:
    """Ghosh et al. 2020, algorithm 1: the model of least loss is trained; a model that nobody took stays."""
    assume(
        asked.dtype != "bfloat16" or asked.rounds == 1
    )  # rounding may decide which of two near models a node takes
    models = [wide(asked.start(place)) for place in range(3)]
    nodes = [asked.node(k) for k in range(asked.nodes)]
    for _ in range(asked.rounds):
        chosen = [min(range(3), key=lambda i, k=k, models=models: k.loss(models[i])) for k in nodes]
        models = [
            mean(
                [k.sgd(x) for k, c in zip(nodes, chosen, strict=True) if c == i],
                [k.weight for k, c in zip(nodes, chosen, strict=True) if c == i],
            )
            if i in chosen
            else x
            for i, x in enumerate(models)
        ]
    history = run("IFCA", asked)
    close(history.model, models[0], asked)
    weights = np.array([k.weight for k in nodes])
    for i in range(3):
        share = weights[[c == i for c in chosen]].sum() / weights.sum()
        assert history.rounds()[-1][f"train_cluster_{i}"] == pytest.approx(share)


def test_ifcas_nodes_evaluate_the_model_that_fits_them() -> None:
    client, server = atoll.ClientApp(), atoll.ServerApp()
    wanted = {"node-0": -5.0, "node-1": 5.0, "node-2": 5.5}

    def half(ctx: Any, models: Any) -> Any:
        return IFCA.half(models, lambda model: abs(float(model["w"]) - wanted[ctx.node]))

    @client.train
    def train(ctx: Any, **models: Any) -> atoll.Update:
        mine = half(ctx, models)
        return mine.update({"w": mine.model["w"] + (wanted[ctx.node] - mine.model["w"]) / 2})

    @client.evaluate
    def evaluate(ctx: Any, **models: Any) -> dict[str, float]:
        mine = half(ctx, models)
        return {"off": min(mine.losses), "model": mine.cluster}

    @server.main
    def main(fleet: Any, ctx: Any) -> Any:
        method = IFCA(others=[Arrays(w=np.array(1.0))])
        return atoll.fit(method, fleet, initial={"w": np.array(-1.0)}, rounds=8, evaluate=atoll.Schedule())

    history = atoll.simulate(server, client, nodes=3, watch=Watch())
    assert history.rounds()[-1]["off"] < 0.3, "each by the model of its own kind"
    assert history.rounds()[-1]["model"] == pytest.approx(2 / 3), "nodes 1 and 2 share the second"


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ([], "no clusters"),
        ([START], "the same"),
        ([Arrays(w=np.zeros(3), bn=np.ones(3))], "model_1 is not like"),
    ],
    ids=["none", "the same", "another shape"],
)
def test_models_that_make_no_clusters_are_refused(others: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        IFCA(others=others).begin(START)
