"""What runs at each node, beside its data."""

import atoll
from atoll.lightning import get_arrays, quiet_trainer, set_arrays

from __package__.data import batches
from __package__.model import Net

app = atoll.ClientApp()


@app.train
def train(model: atoll.Arrays, ctx: atoll.Context) -> atoll.Update:
    net, data = ctx.keep(Net), ctx.data["train"]  # the net is made once per worker
    set_arrays(net, model)
    net.lr = ctx.config.lr
    trainer = quiet_trainer(max_epochs=ctx.config.epochs, accelerator="cpu")
    trainer.fit(net, batches(data, size=ctx.config.batch, seed=ctx.seed))
    loss = trainer.callback_metrics["loss"].item()
    return atoll.Update(get_arrays(net), weight=len(data), metrics={"loss": loss})


@app.evaluate
def evaluate(model: atoll.Arrays, ctx: atoll.Context) -> atoll.Update:
    net, data = ctx.keep(Net), ctx.data["test"]
    set_arrays(net, model)
    trainer = quiet_trainer(accelerator="cpu")
    told = trainer.test(net, batches(data, size=len(data)), verbose=False)
    return atoll.Update(weight=len(data), metrics={"accuracy": told[0]["accuracy"]})
