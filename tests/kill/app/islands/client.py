"""Nodes that note every finished training in a ledger of their own, add exactly one to their count, and remember."""

import os

import numpy as np

import atoll

app = atoll.ClientApp()


@app.train
def train(model, ctx):
    for _ in range(ctx.config.work):  # something to be killed in
        noise = ctx.rng.normal(size=ctx.config.size)
    count = np.zeros_like(model["count"])
    count[int(ctx.node.partition("-")[2])] = 1
    before = ctx.state.get("visits", 0)
    ctx.state["visits"] = before + 1
    ctx.state["memory"] = atoll.Arrays(sum=noise[:5] + ctx.state["memory"]["sum"] if before else noise[:5])
    update = {"noise": noise + ctx.state["memory"]["sum"][0], "count": count}
    write(f"{ctx.round} {ctx.node} {os.getpid()}")
    return atoll.Update(update, weight=1 + ctx.seed % 7, metrics={"visits": before + 1})


@app.query
def visits(ctx):
    return {"visits": ctx.state.get("visits", 0)}


def write(line):
    for name in ("LEDGER", "BELL"):  # a file that stays, and a pipe that wakes the test
        opened = os.open(os.environ[name], os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(opened, f"{line}\n".encode())
        os.close(opened)
