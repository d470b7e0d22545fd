"""What decides: which model to begin with, whom to ask, how often."""

import atoll
from atoll.algorithms import FedAvg
from atoll.lightning import get_arrays

from __package__.model import Net

app = atoll.ServerApp()


@app.main
def main(fleet: atoll.Fleet, ctx: atoll.ServerContext) -> atoll.Arrays:
    return atoll.fit(
        FedAvg(),
        fleet,
        initial=get_arrays(Net()),
        rounds=ctx.config.rounds,
        schedule=atoll.Schedule(fraction=ctx.config.fraction),
        evaluate=atoll.Schedule(),  # every node tests every new model
    )
