"""What decides: which model to begin with, whom to ask, how often."""

import atoll
from atoll.algorithms import FedAvg, LogisticRegression

from __package__.data import COLUMNS
from __package__.model import new_net

app = atoll.ServerApp()


@app.main
def main(fleet: atoll.Fleet, ctx: atoll.ServerContext) -> atoll.Arrays:
    net = ctx.config.model == "net"
    return atoll.fit(
        FedAvg() if net else LogisticRegression(ridge=ctx.config.ridge),
        fleet,
        initial=new_net(COLUMNS, ctx.rng) if net else LogisticRegression.zeros(COLUMNS),
        rounds=ctx.config.rounds,
        schedule=atoll.Schedule(fraction=ctx.config.fraction),
        evaluate=atoll.Schedule(),  # every hospital tests every new model
    )
