"""Logistic regression over nodes has the minimum of the pooled rows, or says why there is none."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import atoll
from atoll.algorithms import LogisticRegression
from atoll.data import Table
from atoll.values import AtollError, RunError, TooFewReplies

sys.path.insert(0, str(Path(__file__).parent))
from by_site import Power, cut_and_resumed, simulated

ROUNDS = 12


def client() -> atoll.ClientApp:
    app = atoll.ClientApp()

    @app.train
    def train(model: Any, step: Any, ctx: Any) -> atoll.Update:
        rows = ctx.data["rows"]
        return LogisticRegression.half(model, step).update(rows["x"], rows["y"])

    return app


def drawn(seed: int, *, rows: int = 240, columns: int = 3, nodes: int = 4, scale: float = 1.0) -> Table:
    """Rows whose nodes differ in size, in place and in how often y is 1."""
    rng = np.random.default_rng(seed)
    site = rng.choice(nodes, rows, p=np.arange(1, nodes + 1) / sum(range(1, nodes + 1)))
    x = (rng.normal(size=(rows, columns)) + site[:, None] / 2) * scale
    chance = 1 / (1 + np.exp(-(x @ rng.normal(size=columns) / scale - 0.5)))
    return Table(x=x, y=(rng.random(rows) < chance).astype(np.int64), site=site)


def fitted(rows: Table, *, ridge: float = 0.0, rounds: int = ROUNDS, initial: Any = None) -> atoll.History:
    start = initial or LogisticRegression.zeros(rows["x"].shape[1])
    method = LogisticRegression(ridge=ridge)
    nodes = int(rows["site"].max()) + 1
    return simulated(
        lambda fleet, ctx: atoll.fit(method, fleet, initial=start, rounds=rounds), client(), rows, nodes=nodes
    )


def pooled(rows: Table, *, ridge: float = 0.0) -> np.ndarray[Any, Any]:
    """Weights, then the bias, of all rows."""
    return newton(rows, np.zeros(rows["x"].shape[1] + 1), ridge=ridge)


def newton(rows: Table, beta: Any, *, ridge: float = 0.0) -> np.ndarray[Any, Any]:
    """Newton's method on all rows, written out; NaN where it meets a Hessian without an inverse."""
    x = np.column_stack([rows["x"], np.ones(len(rows))])
    penalty = np.append(np.full(x.shape[1] - 1, ridge), 0.0)
    for _ in range(100):
        with np.errstate(over="ignore"):
            p = 1 / (1 + np.exp(-x @ beta))
        hessian = (x.T * (p * (1 - p))) @ x + np.diag(penalty)
        try:
            beta = beta - np.linalg.solve(hessian, x.T @ (p - rows["y"]) + penalty * beta)
        except np.linalg.LinAlgError:
            return np.full(len(beta), np.nan)
    return beta


def joined(model: atoll.Arrays) -> np.ndarray[Any, Any]:
    return np.append(model["weight"], model["bias"])


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5), st.sampled_from([0.0, 0.1, 10.0]))
def test_the_model_is_that_of_the_pooled_rows_to_1e_8(seed: int, columns: int, ridge: float) -> None:
    rows = drawn(seed, columns=columns)
    np.testing.assert_allclose(
        joined(fitted(rows, ridge=ridge).model), pooled(rows, ridge=ridge), rtol=1e-8, atol=1e-10
    )


@pytest.mark.parametrize("ridge", [0.0, 1.0])
def test_it_is_the_model_of_scikit_learn(ridge: float) -> None:
    linear_model, rows = pytest.importorskip("sklearn.linear_model"), drawn(7)
    peer = linear_model.LogisticRegression(
        C=1 / ridge if ridge else np.inf, solver="newton-cholesky", tol=1e-12
    )
    peer.fit(rows["x"], rows["y"])
    np.testing.assert_allclose(
        joined(fitted(rows, ridge=ridge).model), np.append(peer.coef_, peer.intercept_), rtol=1e-7
    )


def test_a_step_that_goes_too_far_is_halved_and_the_end_is_the_same() -> None:
    rows = drawn(3)
    far = atoll.Arrays(weight=np.array([8.0, -8.0, 8.0]), bias=np.array(-4.0))
    assert not np.isfinite(newton(rows, joined(far))).all(), "without halving it is lost"
    found = fitted(rows, initial=far, rounds=60)
    np.testing.assert_allclose(joined(found.model), pooled(rows), rtol=1e-8)


def test_rounds_after_the_last_change_nothing() -> None:
    rows = drawn(5)
    np.testing.assert_allclose(
        joined(fitted(rows, rounds=12).model), joined(fitted(rows, rounds=30).model), rtol=1e-13
    )


def test_loss_and_accuracy_are_those_of_the_pooled_rows() -> None:
    rows = drawn(1)
    told = fitted(rows).rounds()[-1]
    beta = pooled(rows)
    p = 1 / (1 + np.exp(-(rows["x"] @ beta[:-1] + beta[-1])))
    assert told["train_loss"] == pytest.approx(-np.log(np.where(rows["y"] == 1, p, 1 - p)).mean())
    assert told["train_accuracy"] == pytest.approx(((p > 0.5) == rows["y"]).mean())


def separated() -> Table:
    rows = drawn(0)
    return Table(x=rows["x"], y=(rows["x"][:, 0] > 0.3).astype(int), site=rows["site"])


def half_separated() -> Table:
    """A column that is 1 only where y is 1, and tells nothing otherwise."""
    rows = drawn(0)
    tells = (rows["y"] == 1) & (rows["x"][:, 1] > 0)
    return Table(x=np.column_stack([rows["x"], tells]), y=rows["y"], site=rows["site"])


def of_one_class() -> Table:
    rows = drawn(0)
    return Table(x=rows["x"], y=np.ones(len(rows), int), site=rows["site"])


@pytest.mark.parametrize("make", [separated, half_separated])
def test_separated_classes_are_refused_and_a_ridge_mends_it(make: Any) -> None:
    with pytest.raises(RunError) as refused:
        fitted(make(), rounds=12)
    assert refused.value.code == "logistic.separated"
    assert "ridge" in refused.value.mend
    np.testing.assert_allclose(
        joined(fitted(make(), ridge=0.5).model), pooled(make(), ridge=0.5), rtol=1e-8, atol=1e-10
    )


@pytest.mark.parametrize("ridge", [0.0, 1.0])
def test_one_class_is_refused_with_a_ridge_too_which_does_not_hold_the_bias(ridge: float) -> None:
    with pytest.raises(RunError, match="one class") as refused:
        fitted(of_one_class(), ridge=ridge)
    assert refused.value.code == "logistic.separated"


@pytest.mark.parametrize(
    ("extra", "named"),
    [(lambda x: np.zeros(len(x)), "column 3"), (lambda x: x[:, 0] - 2 * x[:, 1], "column 0, column 1, column 3"),
     (lambda x: np.full(len(x), 5.0), "column 3, the bias")],
    ids=["zero", "dependent", "constant"],
)  # fmt: skip
def test_columns_that_depend_on_each_other_are_named(extra: Any, named: str) -> None:
    rows = drawn(2)
    odd = Table(x=np.column_stack([rows["x"], extra(rows["x"])]), y=rows["y"], site=rows["site"])
    with pytest.raises(RunError) as refused:
        fitted(odd)
    assert refused.value.code == "logistic.singular"
    assert refused.value.message.endswith(named)
    if named != "column 3, the bias":
        fitted(odd, ridge=1e-3)


def test_columns_of_very_different_size_are_no_hindrance() -> None:
    rows = drawn(4)
    sizes = np.array([1e-4, 1.0, 1e5])
    scaled = Table(x=rows["x"] * sizes, y=rows["y"], site=rows["site"])
    np.testing.assert_allclose(
        fitted(scaled).model["weight"] * sizes, fitted(rows).model["weight"], rtol=1e-8
    )


@pytest.mark.parametrize(
    ("x", "y"),
    [([[1.0, 2.0]], [1]), ([[np.nan, 1, 2]], [1]), ([[1, 2, 3]], [2]), ([[1, 2, 3]], [1, 0]), ([["a", "b", "c"]], [1])],
    ids=["columns", "nan", "label", "rows", "text"],
)  # fmt: skip
def test_rows_that_fit_no_model_are_refused_at_the_node(x: Any, y: Any) -> None:
    half = LogisticRegression.half(LogisticRegression.zeros(3), atoll.Arrays(step=np.zeros(4)))
    with pytest.raises(AtollError) as refused:
        half.update(x, y)
    assert refused.value.code == "logistic.bad-rows"


def test_what_makes_no_sense_is_refused() -> None:
    for call in (
        lambda: LogisticRegression(ridge=-1.0),
        lambda: LogisticRegression(ridge=float("nan")),
        lambda: LogisticRegression().begin(atoll.Arrays(w=np.zeros(3))),
        lambda: LogisticRegression().begin(atoll.Arrays(weight=np.zeros(3, "f4"), bias=np.zeros((), "f4"))),
    ):
        with pytest.raises(AtollError) as refused:
            call()
        assert refused.value.code == "algorithm.invalid"


def test_an_app_without_the_half_is_told_so() -> None:
    app, rows = atoll.ClientApp(), drawn(0)

    @app.train
    def train(model: Any) -> atoll.Update:
        return atoll.Update(model)

    method = LogisticRegression()
    with pytest.raises(TooFewReplies, match="without the client's half of LogisticRegression"):
        simulated(
            lambda fleet, ctx: atoll.fit(method, fleet, initial=method.zeros(3), rounds=1), app, rows, nodes=4
        )


def test_a_run_that_was_cut_off_goes_on_to_the_same_model(tmp_path: Path) -> None:
    rows, cuts = drawn(6), [True]

    def main(fleet: Any, ctx: Any) -> atoll.Arrays:
        def cut(rnd: Any, metrics: Any) -> None:
            if rnd.number == 3 and cuts and cuts.pop():
                raise Power

        start = LogisticRegression.zeros(3)
        return atoll.fit(LogisticRegression(), fleet, initial=start, rounds=ROUNDS, on_round=cut)

    assert cut_and_resumed(main, client(), rows, tmp_path, nodes=4).model == fitted(rows).model
