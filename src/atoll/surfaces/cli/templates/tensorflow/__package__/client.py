"""What runs at each node, beside its data."""

import atoll
from atoll.keras import get_arrays, set_arrays

from __package__.model import accuracy, fit, new_net

app = atoll.ClientApp()


@app.train
def train(model: atoll.Arrays, ctx: atoll.Context) -> atoll.Update:
    net, data = ctx.keep(new_net), ctx.data["train"]  # the net is made once per worker
    set_arrays(net, model)
    loss = fit(
        net,
        data["image"],
        data["label"],
        lr=ctx.config.lr,
        batch=ctx.config.batch,
        epochs=ctx.config.epochs,
        rng=ctx.rng,
    )
    return atoll.Update(get_arrays(net), weight=len(data), metrics={"loss": loss})


@app.evaluate
def evaluate(model: atoll.Arrays, ctx: atoll.Context) -> atoll.Update:
    net, data = ctx.keep(new_net), ctx.data["test"]
    set_arrays(net, model)
    correct = accuracy(net, data["image"], data["label"])
    return atoll.Update(weight=len(data), metrics={"accuracy": correct})
