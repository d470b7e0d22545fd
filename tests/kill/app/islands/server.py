"""Counts who trained, exactly, and averages the rest; a question before the first round and one after the last."""

import numpy as np

import atoll

app = atoll.ServerApp()


@app.main
def main(fleet, ctx):
    known = sum(1 for _ in fleet.ask(atoll.Task("visits")))
    initial = {"noise": np.zeros(ctx.config.size), "count": np.zeros(known, np.int64)}
    rounds = ctx.rounds(ctx.config.rounds, initial={"model": atoll.Arrays(initial)})
    for rnd in rounds:
        mean, count = atoll.Mean(), rnd.state["model"]["count"].copy()
        for reply in fleet.ask(atoll.Task("train", {"model": rnd.state["model"]}), atoll.Schedule(count=4)):
            mean.add(reply)
            count += reply["model"]["count"]
        rnd.commit(
            {"model": atoll.Arrays(noise=mean.finish()["noise"] + rnd.state["model"]["noise"], count=count)}
        )
    visits = [reply.metrics["visits"] for reply in fleet.ask(atoll.Task("visits"))]
    return atoll.Arrays(rounds.state["model"], visits=np.array(visits))
