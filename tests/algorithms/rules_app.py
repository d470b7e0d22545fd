"""An app with large models and a hostile node; workers of a pool import it.

Doesn't know what the rule ought to give.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import atoll
from atoll import algorithms
from atoll.app import Watch

RULE = algorithms.Bucketing(algorithms.GeometricMedian(), size=2, seed=7)
client, server = atoll.ClientApp(), atoll.ServerApp()


@client.train
def train(model: Any, ctx: Any) -> atoll.Update:
    far = 1000.0 if ctx.node == "node-3" else 0.0
    return atoll.Update({"w": model["w"] + (far + ctx.rng.standard_normal(50_000)).astype("f4")})


@server.main
def main(fleet: Any, ctx: Any) -> Any:
    start = {"w": np.zeros(50_000, "f4")}
    return atoll.fit(algorithms.FedAvg(rule=RULE), fleet, initial=start, rounds=2)


def model(*, workers: int) -> atoll.Arrays:
    return atoll.simulate(server, client, nodes=7, workers=workers, watch=Watch()).model
