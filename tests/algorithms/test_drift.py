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


@some
@given(asked=problems, lr=st.sampled_from([1.0, 0.5]))
def test_scaffold_is_option_two_of_its_paper(asked: Problem, lr: float) -> None:
    """Karimireddy et al. 2020, algorithm 1; with unequal weights, means are by weight."""
    x, nodes = wide(asked.start()), nodes_of(asked)
    c: Wide = {n: np.zeros_like(x[n]) for n in FLOATS}
    own = [dict(c) for _ in nodes]
    for _ in range(asked.rounds):
        trained, changes = [], []
        for k, c_k in zip(nodes, own, strict=True):
            y = k.sgd(x, lambda w, c=c, c_k=c_k: {n: c[n] - c_k[n] for n in FLOATS})
            newer = {n: c_k[n] - c[n] + (x[n] - y[n]) / (k.steps * k.lr) for n in FLOATS}
            changes.append({n: newer[n] - c_k[n] for n in FLOATS})
            trained.append(y)
            c_k.update(newer)
        weights = [k.weight for k in nodes]
        average, change = mean(trained, weights), mean(changes, weights)
        x = {n: x[n] + lr * (average[n] - x[n]) if n in FLOATS else average[n] for n in x}
        c = {n: c[n] + change[n] for n in FLOATS}
    close(run("Scaffold", asked, lr=lr).model, x, asked)


@pytest.mark.parametrize("method", ["Scaffold", "FedDyn"])
def test_when_only_some_are_asked_the_server_moves_its_memory_by_their_part(method: str) -> None:
    """|S| / N in the papers: 2 of 4 nodes in each round."""
    asked = Problem(seed=9, nodes=4, rounds=1, even=True)
    control = "control" if method == "Scaffold" else "drift"
    trained, half = committed(method, asked, 0.5)
    _, whole = committed(method, asked, 1.0)
    assert len(trained) == 2
    nodes, x = [asked.node(k) for k in trained], wide(asked.start())
    moved = [k.sgd(x) for k in nodes]  # in the first round there is nothing to correct by
    for n in FLOATS:
        if method == "Scaffold":
            expected = sum((x[n] - y[n]) / (k.steps * k.lr) for k, y in zip(nodes, moved, strict=True)) / 4
        else:
            pulled = [k.sgd(x, lambda w: {m: 0.5 * (w[m] - x[m]) for m in FLOATS}) for k in nodes]
            expected = -0.5 * sum(y[n] - x[n] for y in pulled) / 4
        np.testing.assert_allclose(half[control][n], expected, rtol=1e-9)
    assert whole[control] != half[control]


def committed(method: str, asked: Problem, fraction: float) -> tuple[list[int], Any]:
    """Who was asked in the first round, and the state after it."""
    import methods_app
    from methods_app import settings

    import atoll
    from atoll.app import Watch

    options = {"alpha": 0.5} if method == "FedDyn" else {}
    seen: list[str] = []
    server = atoll.ServerApp()
    config = settings(method, asked, **options)

    class Noting:
        """The algorithm, whose replies are noted on the way."""

        def __init__(self, inner: Any) -> None:
            self.inner, self.state = inner, {}

        def begin(self, model: Any) -> Any:
            return self.inner.begin(model)

        def round(self, state: Any, ask: Any) -> Any:
            def noted(task: Any) -> Any:
                for reply in ask(task):
                    seen.append(reply.node)
                    yield reply

            noted.nodes, noted.expected = ask.nodes, ask.expected  # type: ignore[attr-defined]
            self.state = self.inner.round(state, noted)
            return self.state

    noting = Noting(methods_app.algorithm(atoll.Config(config)))
    schedule = atoll.Schedule(fraction=fraction)
    server.main(
        lambda fleet, ctx: atoll.fit(noting, fleet, initial=asked.start(), rounds=1, schedule=schedule)
    )
    atoll.simulate(
        server, methods_app.client, nodes=asked.nodes, config=config, watch=Watch(), fail_fast=True
    )
    return [int(n.removeprefix("node-")) for n in seen], noting.state


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
@given(asked=problems, alpha=st.sampled_from([0.3, 1.0]))
def test_feddyn_is_algorithm_one_of_its_paper(asked: Problem, alpha: float) -> None:
    x, nodes = wide(asked.start()), nodes_of(asked)
    h: Wide = {n: np.zeros_like(x[n]) for n in FLOATS}
    own = [dict(h) for _ in nodes]
    for _ in range(asked.rounds):
        trained = []
        for k, g in zip(nodes, own, strict=True):
            y = k.sgd(x, lambda w, g=g, x=x: {n: alpha * (w[n] - x[n]) - g[n] for n in FLOATS})
            g.update({n: g[n] - alpha * (y[n] - x[n]) for n in FLOATS})
            trained.append(y)
        average = mean(trained, [k.weight for k in nodes])
        h = {n: h[n] - alpha * (average[n] - x[n]) for n in FLOATS}
        x = {n: average[n] - h[n] / alpha if n in FLOATS else average[n] for n in x}
    close(run("FedDyn", asked, alpha=alpha).model, x, asked)


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
