"""What runs at each node, beside its data."""

import atoll
from atoll.torch import get_arrays, set_arrays

from __package__.data import windows
from __package__.model import LENGTH, Net, accuracy, fit

app = atoll.ClientApp()


@app.train
def train(model: atoll.Arrays, ctx: atoll.Context) -> atoll.Update:
    net = ctx.keep(Net)  # made once per worker
    set_arrays(net, model)
    before, after = windows(ctx.data["train"]["text"], length=LENGTH)
    loss = fit(
        net,
        before,
        after,
        lr=ctx.config.lr,
        batch=ctx.config.batch,
        steps=ctx.config.steps,
        seed=ctx.seed,
    )
    return atoll.Update(get_arrays(net), weight=len(after), metrics={"loss": loss})


@app.evaluate
def evaluate(model: atoll.Arrays, ctx: atoll.Context) -> atoll.Update:
    net = ctx.keep(Net)
    set_arrays(net, model)
    before, after = windows(ctx.data["test"]["text"], length=LENGTH)
    guessed = accuracy(net, before, after)
    return atoll.Update(weight=len(after), metrics={"accuracy": guessed})
