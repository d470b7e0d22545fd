"""What runs at each hospital, beside its patients' records."""

import atoll
from atoll.algorithms import Bagging
from atoll.xgboost import boost, get_arrays, set_arrays
from xgboost import Booster

from __package__.data import matrix

app = atoll.ClientApp()


@app.train
def train(model: atoll.Arrays, ctx: atoll.Context) -> atoll.Update:
    patients, seed = ctx.data["train"], ctx.seed % 2**31
    trees = boost({**ctx.config.trees, "seed": seed}, matrix(patients), model)
    if ctx.config.method == "cyclic":  # the whole model goes on to the next hospital
        return atoll.Update(get_arrays(trees), weight=len(patients))
    half = Bagging.half(model)
    return half.update(get_arrays(trees, since=model), weight=len(patients))


@app.evaluate
def evaluate(model: atoll.Arrays, ctx: atoll.Context) -> atoll.Update:
    trees, patients = Booster({"nthread": 1}), ctx.data["test"]
    set_arrays(trees, model)
    told = (trees.predict(matrix(patients)) > 0.5) == patients["label"]
    return atoll.Update(weight=len(told), metrics={"accuracy": told.mean()})
