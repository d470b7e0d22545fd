"""Clients that train nothing: each returns the model moved by an amount that no other reply has."""

import time

import numpy as np

import atoll

app = atoll.ClientApp()


@app.train
def train(model, ctx):
    """The model, moved; and when this began."""
    began = time.time()
    step = np.float32((ctx.seed & 0xFFFFF) * 1e-9)
    return atoll.Update({name: array + step for name, array in model.items()}, metrics={"began": began})
