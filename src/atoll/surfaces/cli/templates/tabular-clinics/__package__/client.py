"""What runs at each hospital, beside its patients' records."""

import atoll
from atoll.algorithms import LogisticRegression

from __package__.data import features
from __package__.model import accuracy, fit_net

app = atoll.ClientApp()


@app.train
def train(
    model: atoll.Arrays, ctx: atoll.Context, step: atoll.Arrays | None = None
) -> atoll.Update:
    x, y = features(ctx.data["train"])
    if step is not None:  # logistic regression: a gradient and a Hessian leave, no rows
        return LogisticRegression.half(model, step).update(x, y)
    weights, config = model.copy(), ctx.config
    loss = fit_net(
        weights,
        x,
        y,
        lr=config.lr,
        batch=config.batch,
        epochs=config.epochs,
        rng=ctx.rng,
    )
    return atoll.Update(weights, weight=len(y), metrics={"loss": loss})


@app.evaluate
def evaluate(model: atoll.Arrays, ctx: atoll.Context) -> atoll.Update:
    x, y = features(ctx.data["test"])
    return atoll.Update(weight=len(y), metrics={"accuracy": accuracy(model, x, y)})
