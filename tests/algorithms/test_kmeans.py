"""k-means over nodes finds the centres that Lloyd's algorithm finds on the pooled rows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import atoll
from atoll.algorithms import KMeans
from atoll.data import Table
from atoll.values import AtollError, TooFewReplies

sys.path.insert(0, str(Path(__file__).parent))
from by_site import Power, cut_and_resumed, simulated

PLACES = np.array([[0.0, 0.0], [8.0, 0.0], [0.0, 8.0], [8.0, 8.0]])


def client(**options: Any) -> atoll.ClientApp:
    app = atoll.ClientApp()

    @app.train
    def train(model: Any, ctx: Any) -> atoll.Update:
        return KMeans.half(model).update(ctx.data["rows"]["x"])

    @app.query
    def centers(clusters: int, ctx: Any) -> atoll.Update:
        return KMeans.local_centers(ctx.data["rows"]["x"], clusters, rng=ctx.rng, **options)

    return app


def blobs(seed: int, *, rows: int = 200, nodes: int = 4) -> Table:
    """Rows around four places; each node has mostly one of them."""
    rng = np.random.default_rng(seed)
    which = rng.integers(4, size=rows)
    site = np.where(rng.random(rows) < 0.8, which, rng.integers(nodes, size=rows)) % nodes
    return Table(x=PLACES[which] + rng.normal(size=(rows, 2)), site=site)


def clustered(rows: Table, start: atoll.Arrays, *, rounds: int = 10) -> atoll.History:
    nodes = int(rows["site"].max()) + 1
    return simulated(
        lambda fleet, ctx: atoll.fit(KMeans(), fleet, initial=start, rounds=rounds),
        client(),
        rows,
        nodes=nodes,
    )


def seeded(rows: Table, clusters: int, *, seed: int = 0, **options: Any) -> atoll.Arrays:
    found: list[atoll.Arrays] = []
    nodes = int(rows["site"].max()) + 1
    simulated(lambda fleet, ctx: found.append(KMeans.seeded(fleet, clusters, seed=seed)), client(**options), rows, nodes=nodes,
              seed=seed)  # fmt: skip
    return found[0]


def lloyd(x: Any, centers: Any, rounds: int) -> Any:
    """Lloyd's algorithm on all rows, written out."""
    centers = centers.copy()
    for _ in range(rounds):
        which = np.linalg.norm(x[:, None] - centers, axis=2).argmin(axis=1)
        for k in range(len(centers)):
            if (which == k).any():
                centers[k] = x[which == k].mean(axis=0)
    return centers


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 8), st.integers(1, 4))
def test_from_the_same_start_the_centres_are_those_of_the_pooled_rows(
    seed: int, clusters: int, nodes: int
) -> None:
    rows = blobs(seed, nodes=nodes)
    start = np.random.default_rng(seed).normal(4, 4, size=(clusters, 2))
    found = clustered(rows, atoll.Arrays(centers=start)).model["centers"]
    np.testing.assert_allclose(found, lloyd(rows["x"], start, 10), rtol=1e-9, atol=1e-9)


def test_it_ends_where_scikit_learn_ends() -> None:
    peer = pytest.importorskip("sklearn.cluster")
    rows = blobs(1)
    start = rows["x"][:4]
    found = clustered(rows, atoll.Arrays(centers=start), rounds=40)
    their = peer.KMeans(4, init=start, n_init=1, tol=0, max_iter=300, algorithm="lloyd").fit(rows["x"])
    np.testing.assert_allclose(found.model["centers"], their.cluster_centers_, rtol=1e-9)
    assert found.rounds()[-1]["train_inertia"] == pytest.approx(their.inertia_ / len(rows), rel=1e-9)


def test_a_centre_without_rows_stays_where_it_was() -> None:
    far = np.array([[4.0, 4.0], [1e6, 1e6]])
    assert clustered(blobs(0), atoll.Arrays(centers=far)).model["centers"][1].tolist() == [1e6, 1e6]


@pytest.mark.parametrize("seed", range(5))
def test_the_start_is_spread_over_what_the_nodes_hold(seed: int) -> None:
    rows = blobs(seed)
    start = seeded(rows, 4, seed=seed)["centers"]
    near = np.linalg.norm(start[:, None] - PLACES, axis=2).argmin(axis=1)
    assert sorted(near.tolist()) == [0, 1, 2, 3], "one centre at each place, though no node has many of all"
    assert start.tolist() == seeded(rows, 4, seed=seed)["centers"].tolist()


def test_no_row_is_shown_when_clusters_of_few_are_not_told() -> None:
    rows = blobs(2)
    shown = {tuple(c) for c in seeded(rows, 4, minimum=5)["centers"].tolist()}
    assert not shown & {tuple(r) for r in rows["x"].tolist()}


def test_more_clusters_than_different_rows_are_refused() -> None:
    rows = Table(x=np.ones((6, 2)), site=np.arange(6) % 2)
    with pytest.raises(AtollError) as refused:
        seeded(rows, 2)
    assert refused.value.code == "kmeans.too-few-centers"


@pytest.mark.parametrize(
    "model",
    [{"w": np.zeros((2, 2))}, {"centers": np.zeros(2)}, {"centers": np.zeros((2, 2), "f4")}, {"centers": np.zeros((0, 2))}],
    ids=str,
)  # fmt: skip
def test_what_is_no_model_is_refused(model: Any) -> None:
    with pytest.raises(AtollError) as refused:
        KMeans().begin(atoll.Arrays(model))
    assert refused.value.code == "algorithm.invalid"


@pytest.mark.parametrize("x", [np.zeros(3), np.zeros((3, 5)), np.full((3, 2), np.inf), [["a", "b"]]], ids=str)
def test_rows_that_fit_no_centre_are_refused_at_the_node(x: Any) -> None:
    with pytest.raises(AtollError) as refused:
        KMeans.half(atoll.Arrays(centers=np.zeros((2, 2)))).update(x)
    assert refused.value.code == "kmeans.bad-rows"


@pytest.mark.parametrize(
    "answer", [{}, {"centers": atoll.Arrays(centers=np.zeros(3), rows=np.zeros(3))}], ids=["none", "odd"]
)
def test_an_app_that_answers_otherwise_is_told_what_to_return(answer: Any) -> None:
    app = atoll.ClientApp()

    @app.query
    def centers(clusters: int) -> atoll.Update:
        return atoll.Update(answer)

    with pytest.raises(TooFewReplies, match=r"no centres of its own: .*KMeans\.local_centers"):
        simulated(lambda fleet, ctx: KMeans.seeded(fleet, 2, seed=0), app, blobs(0), nodes=4)


def test_a_run_that_was_cut_off_goes_on_to_the_same_centres(tmp_path: Path) -> None:
    rows, cuts = blobs(3), [True]

    def main(fleet: Any, ctx: Any, cut: Any = True) -> atoll.Arrays:
        def maybe(rnd: Any, metrics: Any) -> None:
            if rnd.number == 2 and cut and cuts and cuts.pop():
                raise Power

        start = KMeans.seeded(fleet, 4, seed=0)
        return atoll.fit(KMeans(), fleet, initial=start, rounds=5, on_round=maybe)

    found = cut_and_resumed(main, client(), rows, tmp_path, nodes=4).model
    assert found == simulated(lambda f, c: main(f, c, False), client(), rows, nodes=4).model
