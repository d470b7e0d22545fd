"""What runs at each node, beside its data."""

import atoll
from atoll.sklearn import get_arrays, set_arrays

from __package__.data import rows
from __package__.model import new_model

app = atoll.ClientApp()


@app.train
def train(model: atoll.Arrays, ctx: atoll.Context) -> atoll.Update:
    net, config = ctx.keep(new_model), ctx.config  # made once per worker
    set_arrays(net, model)
    x, y = rows(ctx.data["train"])
    net.set_params(
        learning_rate_init=config.lr,
        batch_size=min(config.batch, len(y)),
        random_state=ctx.seed % 2**32,
    )
    for _ in range(config.epochs):
        net.partial_fit(x, y)
    return atoll.Update(get_arrays(net), weight=len(y), metrics={"loss": net.loss_})


@app.evaluate
def evaluate(model: atoll.Arrays, ctx: atoll.Context) -> atoll.Update:
    net = ctx.keep(new_model)
    set_arrays(net, model)
    x, y = rows(ctx.data["test"])
    return atoll.Update(weight=len(y), metrics={"accuracy": net.score(x, y)})
