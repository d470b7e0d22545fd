"""What decides: the first model, the method, and who is asked."""

import atoll
from atoll.algorithms import FedAvg
from atoll.torch import get_arrays
from my_app.task import fresh

app = atoll.ServerApp()


@app.main
def main(fleet, ctx):
    return atoll.fit(
        FedAvg(),
        fleet,
        initial=get_arrays(fresh(ctx.seed)),
        rounds=ctx.config.rounds,
        evaluate=atoll.Schedule(),
    )
