"""Both halves of every method, side by side: how it is made for a run, and what a node does for it.

Doesn't know who is killed meanwhile.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from atoll import Arrays, Update, algorithms
from every.local import LR, begins, loss, rows, trained, weight


@dataclass(frozen=True)
class Method:
    """`make(**rule)` gives the algorithm, `train(given, ctx, **what an Update takes)` the reply, `begin(floats)` the first model.

    `one`: a round asks one node, and not all of them.
    """

    make: Callable[..., Any]
    train: Callable[..., Update]
    begin: Callable[[int], Any] = begins
    one: bool = False


def plain(given, ctx, **said):
    return Update({"model": Arrays(trained(given["model"], ctx))}, **said)


def prox(given, ctx, **said):
    half = algorithms.FedProx.half(given["model"], given["mu"])
    return half.update(trained(half.model, ctx, more=half.gradient), **said)


def scaffold(given, ctx, **said):
    half = algorithms.Scaffold.half(given["model"], given["control"], ctx)
    return half.update(trained(given["model"], ctx, more=lambda now: half.correction), steps=3, lr=LR, **said)


def nova(given, ctx, **said):
    steps = 1 + int(weight(ctx))
    return algorithms.FedNova.half().update(trained(given["model"], ctx, steps=steps), steps=steps, **said)


def fair(given, ctx, **said):
    before = loss(given["model"], ctx)
    return algorithms.QFedAvg.half().update(trained(given["model"], ctx), loss=before, **said)


def dynamic(given, ctx, **said):
    half = algorithms.FedDyn.half(given["model"], given["alpha"], ctx)
    return half.update(trained(given["model"], ctx, more=half.gradient), **said)


def partly(given, ctx, **said):
    half = algorithms.FedBN.half(given["model"], given["local"], ctx)
    return half.update(trained(half.model, ctx), **said)


def ditto(given, ctx, **said):
    half = algorithms.Ditto.half(given["model"], given["lam"], ctx)
    common = trained(given["model"], ctx)
    return half.update(common, personal=trained(half.personal, ctx, more=half.gradient), **said)


def clusters(given, ctx, **said):
    half = algorithms.IFCA.half(given, lambda model: loss(model, ctx))
    return half.update(trained(half.model, ctx), **said)


def buffered(given, ctx, **said):
    return algorithms.FedBuff.half(given["model"]).update(trained(given["model"], ctx), **said)


def trees(given, ctx, **said):
    import xgboost  # it takes a while, and only this method needs it

    from atoll.xgboost import boost, get_arrays

    half, (x, y) = algorithms.Bagging.half(given["model"]), rows(ctx)
    grown = boost(
        {"objective": "binary:logistic", "max_depth": 2}, xgboost.DMatrix(x, y), given["model"], rounds=2
    )
    return half.update(get_arrays(grown, since=given["model"]), **said)


def centers(given, ctx, **said):
    return counted(algorithms.KMeans.half(given["model"]).update(rows(ctx)[0]), **said)


def logistic(given, ctx, **said):
    return counted(
        algorithms.LogisticRegression.half(given["model"], given["step"]).update(*rows(ctx)), **said
    )


def counted(update, *, metrics, weight):
    """A half that takes no metrics of others: what the ordeal counts is added."""
    return Update(update.payload, weight=update.weight, metrics={**update.metrics, **metrics})


def other_model(floats=1000):
    return {name: array + 3 if array.dtype.kind == "f" else array for name, array in begins(floats).items()}


METHODS = {
    "Bagging": Method(algorithms.Bagging, trees, lambda floats: algorithms.Bagging.empty()),
    "Cyclic": Method(lambda: algorithms.Cyclic(alike=True), plain, one=True),
    "Ditto": Method(algorithms.Ditto, ditto),
    "FedAdagrad": Method(algorithms.FedAdagrad, plain),
    "FedAdam": Method(algorithms.FedAdam, plain),
    "FedAvg": Method(algorithms.FedAvg, plain),
    "FedAvgM": Method(algorithms.FedAvgM, plain),
    "FedBN": Method(algorithms.FedBN, partly),
    "FedBuff": Method(lambda **rule: algorithms.FedBuff(buffer=4, concurrency=4, **rule), buffered),
    "FedDyn": Method(algorithms.FedDyn, dynamic),
    "FedNova": Method(algorithms.FedNova, nova),
    "FedProx": Method(algorithms.FedProx, prox),
    "FedYogi": Method(algorithms.FedYogi, plain),
    "IFCA": Method(lambda: algorithms.IFCA(others=[other_model()]), clusters),
    "KMeans": Method(algorithms.KMeans, centers, lambda floats: {"centers": np.arange(6.0).reshape(2, 3)}),
    "LogisticRegression": Method(
        lambda: algorithms.LogisticRegression(ridge=1.0),
        logistic,
        lambda floats: algorithms.LogisticRegression.zeros(3),
    ),
    "QFedAvg": Method(algorithms.QFedAvg, fair),
    "Scaffold": Method(algorithms.Scaffold, scaffold),
}

RULES = {
    "Bucketing": lambda: algorithms.Bucketing(algorithms.CoordinateMedian(), seed=3),
    "Bulyan": lambda: algorithms.Bulyan(f=1),
    "CenteredClipping": lambda: algorithms.CenteredClipping(radius=20.0),
    "CoordinateMedian": algorithms.CoordinateMedian,
    "GeometricMedian": algorithms.GeometricMedian,
    "Krum": lambda: algorithms.Krum(f=1),
    "MultiKrum": lambda: algorithms.MultiKrum(f=1),
    "NearestNeighborMixing": lambda: algorithms.NearestNeighborMixing(algorithms.TrimmedMean(f=1), f=1),
    "NormBounding": lambda: algorithms.NormBounding(bound=20.0),
    "TrimmedMean": lambda: algorithms.TrimmedMean(f=1),
    "WeightedMean": algorithms.WeightedMean,
}
