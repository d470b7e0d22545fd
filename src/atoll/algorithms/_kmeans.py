"""k-means by Lloyd's rounds: nodes assign and sum their rows, and the centres are those of the pooled rows.

Doesn't know the rows. The client's half stands in `_kmeans_half.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from atoll.algorithms._halves import checked_half
from atoll.algorithms._kmeans_half import HALF, METHOD, Assignment, local_centers, spread_out
from atoll.app import Ask, Fleet, Reply, Schedule, State, Task, Update
from atoll.values import Array, Arrays, ConfigError, Mean, RunError, derive_seed

_MEND = "at the client: @app.query, and return KMeans.local_centers(ctx.data[...], clusters, rng=ctx.rng)"


class KMeans:
    """Lloyd's algorithm: each row goes to the nearest centre, each centre to the mean of its rows.

    Lloyd 1982 (IEEE Transactions on Information Theory 28, 129). From the same start the same centres as from the pooled
    rows, up to rounding (1e-9 of their size) and rows that are equally near to two; a centre without rows stays. Metric:
    `inertia`, the mean squared distance of a row from its centre.

    State: `model`, float64 `centers` (clusters, columns). The client's half is `KMeans.half(model)`; where to begin is found by
    `seeded`. Raises `ConfigError` (`algorithm.invalid`), a reply without the half is refused.
    """

    @staticmethod
    def half(model: Arrays) -> Assignment:
        """What a node does: `def train(model, ctx): return KMeans.half(model).update(x)`."""
        return Assignment(model)

    @staticmethod
    def local_centers(x: Array, clusters: int, *, rng: np.random.Generator, minimum: int = 1) -> Update:
        """What a node answers to `seeded`: centres of its own rows x, shape (rows, columns), and how many rows each stands for.

        Those of fewer than `minimum` rows are not told. Raises `DataError` (`kmeans.bad-rows`).
        """
        return local_centers(x, clusters, rng=rng, minimum=minimum)

    @staticmethod
    def seeded(
        fleet: Fleet, clusters: int, *, seed: int, schedule: Schedule | None = None, action: str = "centers"
    ) -> Arrays:
        """A model to begin with, from one exchange in which no row is shown: as k-means++ over the nodes' own centres.

        Each node clusters its rows; the server draws among those centres with chances of rows times squared distance from those
        drawn before (Arthur and Vassilvitskii 2007; over local centres: Dennis et al. 2021, arXiv:2103.00697, algorithm 2).
        The nodes' query `action` gets `clusters`. Raises `RunError` (`kmeans.bad-answer`, `kmeans.too-few-centers`).
        """
        if clusters < 1:
            raise _invalid(f"k-means has at least 1 cluster, not {clusters}")
        replies = fleet.ask(Task(action, {"clusters": clusters}), schedule)
        found = [reply["centers"] for reply in _with_centers(replies)]
        if len({arrays["centers"].shape[1] for arrays in found}) > 1:
            raise RunError("kmeans.bad-answer", "the nodes' rows differ in their number of columns", _MEND)
        points = np.concatenate([arrays["centers"] for arrays in found])
        rows = np.concatenate([arrays["rows"] for arrays in found])
        rng = np.random.Generator(np.random.Philox(key=derive_seed(seed, "k-means")))
        centers = spread_out(points, rows, clusters, rng)
        if len(centers) < clusters:
            message = f"the nodes have {len(centers)} different centres, too few for {clusters} clusters"
            raise RunError("kmeans.too-few-centers", message, "ask for fewer clusters")
        return Arrays(centers=centers)

    def begin(self, model: Arrays) -> State:
        centers = model.get("centers")
        if (
            len(model) != 1
            or centers is None
            or centers.ndim != 2
            or centers.dtype != np.float64
            or not len(centers)
        ):
            raise _invalid("a model of k-means is float64 `centers` of shape (clusters, columns)")
        return {"model": model}

    def round(self, state: State, ask: Ask) -> State:
        mean = Mean("sums", weighted=False)
        before = state["model"]["centers"]
        like = {"sums": Arrays(sums=np.zeros_like(before), rows=np.zeros(len(before)))}
        for reply in checked_half(ask(Task("train", dict(state))), METHOD, half=HALF, like=like):
            mean.add(reply)
        sums = mean.finish()
        rows = sums["rows"][:, None]
        centers = np.where(rows > 0, sums["sums"] / np.maximum(rows, np.finfo(np.float64).tiny), before)
        return {"model": Arrays(centers=centers)}


def _with_centers(replies: Iterable[Reply]) -> Iterator[Reply]:
    for reply in replies:
        arrays = reply.payload.get("centers")
        if (
            isinstance(arrays, Arrays)
            and set(arrays) == {"centers", "rows"}
            and arrays["centers"].ndim == 2
            and arrays["rows"].shape == arrays["centers"].shape[:1]
            and all(a.dtype == np.float64 for a in arrays.values())
        ):
            yield reply
        else:
            reply.refuse(f"it returned no centres of its own: {_MEND}")


def _invalid(message: str) -> ConfigError:
    return ConfigError("algorithm.invalid", message, "initial=KMeans.seeded(fleet, clusters, seed=ctx.seed)")
