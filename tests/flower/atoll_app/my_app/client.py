"""What a node does when it is asked."""

import atoll
from atoll.torch import get_arrays, set_arrays
from my_app.data import tensors
from my_app.task import Net, accuracy, fit

app = atoll.ClientApp()


@app.train
def train(model, ctx):
    net, config = ctx.keep(Net), ctx.config
    set_arrays(net, model)
    images, labels = tensors(ctx.data["train"])
    loss = fit(
        net,
        images,
        labels,
        epochs=config.epochs,
        batch=config.batch,
        lr=config.lr,
        seed=ctx.seed,
    )
    return atoll.Update(get_arrays(net), weight=len(labels), metrics={"loss": loss})


@app.evaluate
def evaluate(model, ctx):
    net = ctx.keep(Net)
    set_arrays(net, model)
    images, labels = tensors(ctx.data["test"])
    return atoll.Update(weight=len(labels), metrics={"accuracy": accuracy(net, images, labels)})
