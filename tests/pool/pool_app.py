"""Apps for the pool's tests: workers import this module."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import numpy as np

import atoll
from atoll.algorithms import FedAvg

HERE = Path(__file__).parent

client = atoll.ClientApp()
server = atoll.ServerApp()


@client.lifespan
def life(config):
    yield f"lives in {os.getpid()}"


@client.train
def train(model, ctx):
    behave = getattr(_Behaviour, str(ctx.config.get("behave", "well")))
    behave(ctx)
    noise = np.random.standard_normal(model["w"].shape).astype(np.float32)
    ctx.state["times"] = ctx.state.get("times", 0) + 1
    return atoll.Update(
        model.map(lambda a: a + noise + ctx.rng.random(a.shape, dtype=np.float32)),
        weight=1 + len(ctx.node),
        metrics={"pid": os.getpid(), "times": ctx.state["times"]},
    )


@client.query
def rows(ctx):
    return {"rows": len(ctx.data["train"]), "first": float(ctx.data["train"]["x"][0])}


@client.query
def where(ctx):
    return {"shared": ctx.shared}


class _Behaviour:
    @staticmethod
    def well(ctx):
        return None

    @staticmethod
    def die_once(ctx):
        """Die at the first try of node-1, as if killed: the mark on disk says that it was tried."""
        mark = Path(ctx.config.folder) / f"{ctx.node}-{ctx.round}"
        if ctx.node == "node-1" and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    @staticmethod
    def die_always(ctx):
        if ctx.node == "node-1":
            os.kill(os.getpid(), signal.SIGKILL)

    @staticmethod
    def hang(ctx):
        if ctx.node == "node-1":
            threading.Event().wait()

    @staticmethod
    def talk(ctx):
        print(f"printed by {ctx.node}")
        ctx.log("told the log")


@server.main
def main(fleet, ctx):
    schedule = atoll.Schedule(deadline=ctx.config.get("deadline"))
    size = ctx.config.get("size", 10)
    return atoll.fit(
        FedAvg(),
        fleet,
        initial={"w": np.zeros(size, np.float32)},
        rounds=ctx.config.rounds,
        schedule=schedule,
    )


counting = atoll.ServerApp()


@counting.main
def count(fleet, ctx):
    for action in ("rows", "where"):
        for reply in fleet.ask(atoll.Task(action)):
            ctx.log(" ".join(f"{n}={v}" for n, v in sorted(reply.metrics.items())))


def data():
    return {"train": atoll.data.Table(x=np.arange(100.0))}
