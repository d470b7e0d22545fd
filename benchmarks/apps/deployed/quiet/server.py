"""Every node in every round, averaged."""

import numpy as np

import atoll
from atoll.algorithms import FedAvg

app = atoll.ServerApp()


@app.main
def main(fleet, ctx):
    """So many rounds with a model of so many floats in so many arrays."""
    rng, size = np.random.default_rng(0), ctx.config.floats // ctx.config.arrays
    initial = atoll.Arrays(
        {f"w{i}": rng.standard_normal(size, dtype=np.float32) for i in range(ctx.config.arrays)}
    )
    return atoll.fit(FedAvg(), fleet, initial=initial, rounds=ctx.config.rounds)
