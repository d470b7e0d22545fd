"""What runs at each node, beside its data."""

import atoll

from __package__.model import accuracy, fit

app = atoll.ClientApp()


@app.train
def train(model: atoll.Arrays, ctx: atoll.Context) -> atoll.Update:
    weights, data = model.copy(), ctx.data["train"]
    loss = fit(
        weights,
        data["image"],
        data["label"],
        lr=ctx.config.lr,
        batch=ctx.config.batch,
        epochs=ctx.config.epochs,
        rng=ctx.rng,
    )
    return atoll.Update(weights, weight=len(data), metrics={"loss": loss})


@app.evaluate
def evaluate(model: atoll.Arrays, ctx: atoll.Context) -> atoll.Update:
    data = ctx.data["test"]
    correct = accuracy(model, data["image"], data["label"])
    return atoll.Update(weight=len(data), metrics={"accuracy": correct})
