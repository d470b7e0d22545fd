"""An app for slow and quick nodes: softmax regression on handwritten digits, each node with few of the ten classes.

Does not know what anything takes: the clock of the simulation does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

import atoll
from atoll.algorithms import FedAvg, FedBuff
from atoll.data.samples import digits

STEPS, LR, BATCH = 10, 0.1, 16

app = atoll.ClientApp()
data = cache(digits)


@app.train
def train(model: atoll.Arrays, ctx: atoll.Context) -> atoll.Update:
    table = ctx.data["train"]
    trained = _descended(model, *_read(table), ctx.rng)
    if ctx.config.method == "FedBuff":
        return FedBuff.half(model).update(trained, weight=len(table))
    return atoll.Update(trained, weight=len(table))


@app.query
def nothing(model: atoll.Arrays, ctx: atoll.Context) -> atoll.Update:
    return atoll.Update({"model": model})


def server(schedule: atoll.Schedule, *, target: float, algorithm: Any = None) -> atoll.ServerApp:
    """A server that ends when its model is as accurate as that on the test rows."""
    app = atoll.ServerApp()
    x, y = _read(data()["test"])

    def evaluate(model: atoll.Arrays, round: int) -> Mapping[str, object]:
        return {"accuracy": float(np.mean(np.argmax(x @ model["w"] + model["b"], axis=1) == y))}

    def reached(rows: Sequence[Mapping[str, Any]]) -> bool:
        return bool(rows[-1]["accuracy"] >= target)

    @app.main
    def main(fleet: atoll.Fleet, ctx: atoll.ServerContext) -> atoll.Arrays:
        initial = {"w": np.zeros((64, 10), np.float32), "b": np.zeros(10, np.float32)}
        return atoll.fit(
            algorithm or FedAvg(), fleet, initial=initial, rounds=ctx.config.rounds, schedule=schedule, evaluate=evaluate, stop=reached
        )  # fmt: skip

    return app


def asking(schedule: atoll.Schedule) -> atoll.ServerApp:
    """A server whose nodes send back what they get."""
    app = atoll.ServerApp()

    @app.main
    def main(fleet: atoll.Fleet, ctx: atoll.ServerContext) -> None:
        model = atoll.Arrays(w=np.zeros(1000, np.float32))
        for rnd in ctx.rounds(ctx.config.rounds, initial={"model": model}):
            for _ in fleet.ask(atoll.Task("nothing", {"model": model}), schedule):
                pass
            rnd.commit(rnd.state)

    return app


def _read(table: Any) -> tuple[Any, Any]:
    return np.asarray(table["image"]).reshape(-1, 64), np.asarray(table["label"])


def _descended(model: atoll.Arrays, x: Any, y: Any, rng: np.random.Generator) -> dict[str, Any]:
    """Some steps of minibatch SGD on the cross-entropy."""
    w, b = np.array(model["w"]), np.array(model["b"])
    for _ in range(STEPS):
        rows = rng.integers(0, len(y), BATCH)
        logits = x[rows] @ w + b
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        p[np.arange(BATCH), y[rows]] -= 1
        w -= np.float32(LR / BATCH) * (x[rows].T @ p)
        b -= np.float32(LR / BATCH) * p.sum(axis=0)
    return {"w": w, "b": b}
