"""An app whose clients train nothing: each returns the model moved by an amount that no other client has.

Does not know how large the model is.
"""

from __future__ import annotations

import numpy as np

import atoll
from atoll.algorithms import FedAvg

app = atoll.ClientApp()


@app.train
def train(model: atoll.Arrays, ctx: atoll.Context) -> atoll.Update:
    step = np.float32((ctx.seed & 0xFFFFF) * 1e-9)
    return atoll.Update({name: array + step for name, array in model.items()})


def server(floats: int, *, arrays: int = 1) -> atoll.ServerApp:
    """A server that asks every node in every round, and averages."""
    app = atoll.ServerApp()

    @app.main
    def main(fleet: atoll.Fleet, ctx: atoll.ServerContext) -> atoll.Arrays:
        return atoll.fit(FedAvg(), fleet, initial=_model(floats, arrays), rounds=ctx.config.rounds)

    return app


def _model(floats: int, arrays: int) -> atoll.Arrays:
    rng = np.random.default_rng(0)
    return atoll.Arrays(
        {f"w{i}": rng.standard_normal(floats // arrays, dtype=np.float32) for i in range(arrays)}
    )
