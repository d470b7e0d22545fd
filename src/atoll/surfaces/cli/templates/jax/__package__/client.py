"""What runs at each node, beside its data."""

import atoll
from atoll.jax import get_arrays, set_arrays

from __package__.model import accuracy, fit, new_params

app = atoll.ClientApp()


@app.train
def train(model: atoll.Arrays, ctx: atoll.Context) -> atoll.Update:
    params, data = set_arrays(ctx.keep(new_params), model), ctx.data["train"]
    params, loss = fit(
        params,
        data["image"],
        data["label"],
        lr=ctx.config.lr,
        batch=ctx.config.batch,
        epochs=ctx.config.epochs,
        rng=ctx.rng,
    )
    return atoll.Update(get_arrays(params), weight=len(data), metrics={"loss": loss})


@app.evaluate
def evaluate(model: atoll.Arrays, ctx: atoll.Context) -> atoll.Update:
    params, data = set_arrays(ctx.keep(new_params), model), ctx.data["test"]
    correct = accuracy(params, data["image"], data["label"])
    return atoll.Update(weight=len(data), metrics={"accuracy": correct})
