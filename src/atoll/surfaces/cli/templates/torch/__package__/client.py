"""What runs at each node, beside its data."""

import atoll
from atoll.torch import get_arrays, set_arrays

from __package__.data import tensors
from __package__.model import Net, accuracy, fit

app = atoll.ClientApp()


@app.train
def train(model: atoll.Arrays, ctx: atoll.Context) -> atoll.Update:
    net = ctx.keep(Net)  # made once per worker
    set_arrays(net, model)
    images, labels = tensors(ctx.data["train"])
    loss = fit(
        net,
        images,
        labels,
        lr=ctx.config.lr,
        batch=ctx.config.batch,
        epochs=ctx.config.epochs,
        seed=ctx.seed,
    )
    return atoll.Update(get_arrays(net), weight=len(labels), metrics={"loss": loss})


@app.evaluate
def evaluate(model: atoll.Arrays, ctx: atoll.Context) -> atoll.Update:
    net = ctx.keep(Net)
    set_arrays(net, model)
    images, labels = tensors(ctx.data["test"])
    correct = accuracy(net, images, labels)
    return atoll.Update(weight=len(labels), metrics={"accuracy": correct})
