"""A client that does its half of whichever method the run has, and answers what is asked without training."""

import atoll
from atoll.algorithms import Survey
from every.ledger import answering, training
from every.local import loss, table, weight
from every.methods import METHODS

app = atoll.ClientApp()


@app.train
def train(ctx, **given):
    """The method's half, with how often this node's training has counted among the metrics."""
    with training(ctx) as count:
        method = METHODS[ctx.config.method]
        return method.train(given, ctx, weight=weight(ctx), metrics={"count": count})


@app.query
def survey(question, ctx):
    """Counts and moments of the node's columns, with a draw that only this call has."""
    with answering(ctx) as count:
        told = Survey.answer(question, table(ctx), minimum=3)
        return atoll.Update(
            told.payload, weight=told.weight, metrics={"count": count, "draw": ctx.rng.random()}
        )


@app.evaluate
def evaluate(model, ctx):
    """What the model is worth here, give or take what only this call draws."""
    with answering(ctx) as count:
        worth = loss(model, ctx) + 0.1 * ctx.rng.standard_normal()
        return atoll.Update(weight=weight(ctx), metrics={"count": count, "loss": worth})
