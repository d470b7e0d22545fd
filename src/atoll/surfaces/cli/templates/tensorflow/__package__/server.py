"""What decides: which model to begin with, whom to ask, how often."""

import atoll
from atoll.algorithms import FedAvg
from atoll.keras import get_arrays

from __package__.model import new_net

app = atoll.ServerApp()


@app.main
def main(fleet: atoll.Fleet, ctx: atoll.ServerContext) -> atoll.Arrays:
    return atoll.fit(
        FedAvg(),
        fleet,
        initial=get_arrays(new_net()),
        rounds=ctx.config.rounds,
        schedule=atoll.Schedule(fraction=ctx.config.fraction),
        evaluate=atoll.Schedule(),  # every node tests every new model
    )
