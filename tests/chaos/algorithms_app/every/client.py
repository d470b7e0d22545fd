"""A client that does its half of whichever method the run has."""

import atoll
from every.ledger import training
from every.local import weight
from every.methods import METHODS

app = atoll.ClientApp()


@app.train
def train(ctx, **given):
    """The method's half, with how often this node's training has counted among the metrics."""
    with training(ctx) as count:
        method = METHODS[ctx.config.method]
        return method.train(given, ctx, weight=weight(ctx), metrics={"count": count})
