"""A client app that does as its config says, well or badly; workers import this module."""

from __future__ import annotations

import sys
import threading

import numpy as np

import atoll

client = atoll.ClientApp()


@client.lifespan
def life(config):
    yield {"greeting": config.get("greeting", "hello")}


@client.train
def train(model, ctx):
    ctx.state["tries"] = ctx.state.get("tries", 0) + 1
    ctx.log(f"trains {ctx.round}")
    behave = ctx.config.behave.get(ctx.node, "well")
    moved = model.map(lambda a: a + ctx.rng.standard_normal(a.shape).astype(a.dtype) + np.random.random())
    update = atoll.Update(moved, weight=1 + ctx.seed % 5, metrics={"tries": ctx.state["tries"]})
    return BAD[behave](update) if behave in BAD else update


class Unspeakable(Exception):
    def __str__(self):
        raise RuntimeError("no words")


def fail(kind, *words):
    def raising(update):
        raise kind(*words)

    return raising


def changed(name, change):
    def changing(update):
        arrays = update.payload["model"].copy()
        change(arrays, name)
        return atoll.Update(arrays)

    return changing


def assign(value):
    def change(arrays, name):
        arrays[name] = value(arrays[name])

    return change


BAD = {
    "raise": fail(ValueError, "the data are damp"),
    "exit": lambda update: sys.exit(3),
    "unspeakable": fail(Unspeakable),
    "surrogate": fail(OSError, "file \udcff"),
    "hang": lambda update: threading.Event().wait(),
    "nan": changed("b", assign(lambda a: np.full_like(a, np.nan))),
    "infinite": changed("w", assign(lambda a: np.full_like(a, -np.inf))),
    "shape": changed("w", assign(lambda a: a.ravel())),
    "dtype": changed("w", assign(lambda a: a.astype("f8"))),
    "missing": changed("w", lambda arrays, name: arrays.pop(name)),
    "extra": changed("w", lambda arrays, name: arrays.update(x=np.zeros(1, "f4"))),
    "nothing": lambda update: None,
    "metrics only": lambda update: {"loss": 1.0},
    "text": lambda update: "done",
    "weight": lambda update: atoll.Update(update.payload, weight=float("nan")),
    "metric": lambda update: atoll.Update(update.payload, metrics={"loss": np.zeros(3)}),
    "plain": lambda update: atoll.Update({**update.payload, "x": {1, 2}}),
}


@client.query
def describe(ctx, edges=None, **rest):
    if edges is not None:
        edges.append(99)  # must not be seen by anybody else
    ctx.config["list"].append(99)
    ctx.state.get("list", []).append(99)
    state = {n: v for n, v in ctx.state.items() if not isinstance(v, atoll.Arrays)}
    return atoll.Update({"edges": edges, "rest": sorted(rest), "list": ctx.config["list"], "state": state,
                         "greeting": ctx.shared["greeting"], "lr": ctx.config.lr, "seed": ctx.seed, "round": ctx.round,
                         "draws": ctx.rng.random(3).tolist()}, metrics={"node": ctx.node})  # fmt: skip


@client.query
def remember(ctx, value):
    ctx.state["list"] = value
    ctx.state["arrays"] = atoll.Arrays(x=np.arange(3))
    if ctx.config.behave.get(ctx.node) == "raise":
        raise ValueError("after it was assigned")
    return {}


@client.query
def large(ctx, model):
    return atoll.Update({"model": model.map(lambda a: a + int(ctx.node.partition("-")[2]))})


@client.query
def rendezvous(ctx):
    ctx.log(f"{ctx.node} met")
    return {}
