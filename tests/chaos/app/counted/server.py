"""All nodes, each round; the state is named and committed."""

import numpy as np

import atoll
from atoll import Arrays, Mean, Schedule, Task

app = atoll.ServerApp()


@app.main
def main(fleet, ctx):
    """Rounds of plain averaging, in which every reply must count once."""
    initial = {"model": Arrays(w=np.zeros(ctx.config.floats, "f4"))}
    for rnd in ctx.rounds(ctx.config.rounds, initial=initial):
        mean = Mean()
        for reply in fleet.ask(Task("train", rnd.state), Schedule(minimum=len(fleet.nodes))):
            mean.add(reply)
        rnd.commit({"model": mean.finish()})
