"""What decides: with which method, whom to ask, how often. It needs no xgboost."""

import atoll
from atoll.algorithms import Bagging, Cyclic

app = atoll.ServerApp()


@app.main
def main(fleet: atoll.Fleet, ctx: atoll.ServerContext) -> atoll.Arrays:
    return atoll.fit(
        Cyclic() if ctx.config.method == "cyclic" else Bagging(),
        fleet,
        initial=Bagging.empty(),  # no trees yet
        rounds=ctx.config.rounds,
        schedule=atoll.Schedule(fraction=ctx.config.fraction),
        evaluate=atoll.Schedule(),  # every hospital tests every new model
    )
