"""FedProx, SCAFFOLD, FedNova, FedDyn and q-FedAvg do what their papers write, written out in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from methods_app import Node, Problem
from methods_world import Wide, close, mean, problems, run, some, wide

FLOATS = ("w", "bn")


def nodes_of(asked: Problem) -> list[Node]:
    return [asked.node(k) for k in range(asked.nodes)]


@some
@given(asked=problems, mu=st.sampled_from([0.0, 0.1, 1.0]))
def test_fedprox_is_fedavg_of_nodes_on_a_spring(asked: Problem, mu: float) -> None:
    """Li et al. 2020: each step follows the gradient of F_k(w) + mu/2 |w - w_t|^2."""
    x, nodes = wide(asked.start()), nodes_of(asked)
    for _ in range(asked.rounds):
        trained = [k.sgd(x, lambda w, x=x: {n: mu * (w[n] - x[n]) for n in FLOATS}) for k in nodes]
        x = mean(trained, [k.weight for k in nodes])
    close(run("FedProx", asked, mu=mu).model, x, asked)


def test_fedprox_without_a_spring_is_fedavg_to_the_bit() -> None:
    asked = Problem(seed=4, dtype="float32")
    assert run("FedProx", asked, mu=0.0).model == run("FedAvg", asked).model


def cohorts(history: Any, nodes: int) -> list[list[int]]:
    """Who was asked, round by round."""
    rows = {(r.round, r.node) for r in history.rows if r.node and r.metric == "asked"}
    return [[k for k in range(nodes) if (r["round"], f"node-{k}") in rows] for r in history.rounds()]


def scaffold(asked: Problem, lr: float, rounds: list[list[int]]) -> Wide:
    """Karimireddy et al. 2020, algorithm 1, option II; with unequal weights, means are by weight."""
    x, nodes = wide(asked.start()), nodes_of(asked)
    c: Wide = {n: np.zeros_like(x[n]) for n in FLOATS}
    own = [dict(c) for _ in nodes]
    for cohort in rounds:
        trained, changes = [], []
        for k, c_k in ((nodes[i], own[i]) for i in cohort):
            y = k.sgd(x, lambda w, c=c, c_k=c_k: {n: c[n] - c_k[n] for n in FLOATS})
            newer = {n: c_k[n] - c[n] + (x[n] - y[n]) / (k.steps * k.lr) for n in FLOATS}
            changes.append({n: newer[n] - c_k[n] for n in FLOATS})
            trained.append(y)
            c_k.update(newer)
        weights = [nodes[i].weight for i in cohort]
        average, change = mean(trained, weights), mean(changes, weights)
        x = {n: x[n] + lr * (average[n] - x[n]) if n in FLOATS else average[n] for n in x}
        c = {n: c[n] + len(cohort) / len(nodes) * change[n] for n in FLOATS}
    return x


@some
@given(asked=problems, lr=st.sampled_from([1.0, 0.5]))
def test_scaffold_is_option_two_of_its_paper(asked: Problem, lr: float) -> None:
    history = run("Scaffold", asked, lr=lr)
    close(history.model, scaffold(asked, lr, cohorts(history, asked.nodes)), asked)


def feddyn(asked: Problem, alpha: float, rounds: list[list[int]]) -> Wide:
    """Acar et al. 2021, algorithm 1; with unequal weights, means are by weight."""
    x, nodes = wide(asked.start()), nodes_of(asked)
    h: Wide = {n: np.zeros_like(x[n]) for n in FLOATS}
    own = [dict(h) for _ in nodes]
    for cohort in rounds:
        trained = []
        for k, g in ((nodes[i], own[i]) for i in cohort):
            y = k.sgd(x, lambda w, g=g, x=x: {n: alpha * (w[n] - x[n]) - g[n] for n in FLOATS})
            g.update({n: g[n] - alpha * (y[n] - x[n]) for n in FLOATS})
            trained.append(y)
        average = mean(trained, [nodes[i].weight for i in cohort])
        h = {n: h[n] - alpha * len(cohort) / len(nodes) * (average[n] - x[n]) for n in FLOATS}
        x = {n: average[n] - h[n] / alpha if n in FLOATS else average[n] for n in x}
    return x


@some
@given(asked=problems, alpha=st.sampled_from([0.3, 1.0]))
def test_feddyn_is_algorithm_one_of_its_paper(asked: Problem, alpha: float) -> None:
    history = run("FedDyn", asked, alpha=alpha)
    close(history.model, feddyn(asked, alpha, cohorts(history, asked.nodes)), asked)


@pytest.mark.parametrize("seed", range(3))
def test_when_only_some_are_asked_the_servers_memory_moves_by_their_part(seed: int) -> None:
    """|S| / N in the papers: 2 of 5 nodes in each of 5 rounds, others every time."""
    asked = Problem(seed=seed, nodes=5, rounds=5)
    for method, written, options in (("Scaffold", scaffold, {"lr": 1.0}), ("FedDyn", feddyn, {"alpha": 1.0})):
        history = run(method, asked, fraction=0.4, **options)
        rounds = cohorts(history, 5)
        assert [len(r) for r in rounds] == [2] * 5
        assert len({tuple(r) for r in rounds}) > 1
        close(history.model, written(asked, *options.values(), rounds), asked)


@some
@given(asked=problems)
def test_fednova_lets_nobody_pull_further_for_making_more_steps(asked: Problem) -> None:
    """Wang et al. 2020: x <- x - tau_eff sum p_k d_k, with d_k = (x - y_k) / tau_k and tau_eff = sum p_k tau_k."""
    x, nodes = wide(asked.start()), nodes_of(asked)
    p = [k.weight / sum(k.weight for k in nodes) for k in nodes]
    for _ in range(asked.rounds):
        trained = [k.sgd(x) for k in nodes]
        effective = sum(p_k * k.steps for p_k, k in zip(p, nodes, strict=True))
        new = {}
        for n in FLOATS:
            d = [(x[n] - y[n]) / k.steps for y, k in zip(trained, nodes, strict=True)]
            new[n] = x[n] - effective * sum(p_k * d_k for p_k, d_k in zip(p, d, strict=True))
        count = mean([{"count": y["count"]} for y in trained], [k.weight / k.steps for k in nodes])
        x = {**new, **count}
    close(run("FedNova", asked).model, x, asked)


def test_fednova_of_nodes_that_make_equal_steps_is_fedavg() -> None:
    asked = Problem(seed=5, even=True)
    np.testing.assert_allclose(run("FedNova", asked).model["w"], run("FedAvg", asked).model["w"], rtol=1e-12)


@some
@given(asked=problems, q=st.sampled_from([0.0, 0.5, 1.0, 5.0]))
def test_qfedavg_is_algorithm_two_of_its_paper(asked: Problem, q: float) -> None:
    """Li et al. 2020: w <- w - sum D_k / sum h_k; each node's terms count by its weight."""
    x, nodes, inverse = wide(asked.start()), nodes_of(asked), 1 / asked.lr
    for _ in range(asked.rounds):
        losses = [k.loss(x) for k in nodes]
        trained = [k.sgd(x) for k in nodes]
        h, numerator = 0.0, dict.fromkeys(FLOATS, 0.0)
        for k, loss, y in zip(nodes, losses, trained, strict=True):
            d = {n: inverse * (x[n] - y[n]) for n in FLOATS}
            h += k.weight * (q * loss ** (q - 1) * sum(np.sum(a**2) for a in d.values()) + inverse * loss**q)
            numerator = {n: numerator[n] + k.weight * loss**q * d[n] for n in FLOATS}
        count = mean(
            [{"count": y["count"]} for y in trained],
            [k.weight * v**q for k, v in zip(nodes, losses, strict=True)],
        )
        x = {**{n: x[n] - numerator[n] / h for n in FLOATS}, **count}
    close(run("QFedAvg", asked, q=q, lr=asked.lr).model, x, asked)


def test_qfedavg_without_fairness_is_fedavg() -> None:
    asked = Problem(seed=6)
    np.testing.assert_allclose(
        run("QFedAvg", asked, q=0.0).model["w"], run("FedAvg", asked).model["w"], rtol=1e-12
    )
