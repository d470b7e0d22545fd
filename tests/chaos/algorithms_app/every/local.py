"""What a node has, and how it trains: a few noisy steps towards a target of its own, on arrays of several dtypes.

Doesn't know any method; what a method adds to the gradient is told.
"""

import numpy as np

from atoll.data import Table

LR = 0.2


def begins(floats):
    """The model that a run begins with; `seen` counts and never moves."""
    return {
        "body": np.zeros(floats, "f4"),
        "bn.scale": np.ones(8, "f4"),
        "head": np.zeros((4, 5), "f8"),
        "seen": np.zeros((), "i8"),
    }


def target(ctx):
    """Where this node's loss is least: its number, from 0."""
    return float(ctx.node.rpartition("-")[2])


def weight(ctx):
    """How much its reply weighs."""
    return 1 + target(ctx)


def loss(model, ctx):
    """Half the mean square of the way to the target."""
    return float(np.mean((np.asarray(model["body"], "f8") - target(ctx)) ** 2) / 2)


def trained(model, ctx, *, steps=3, more=lambda now: {}):
    """The model after some steps down the gradient of `loss`, with noise; `more(now)` is added to each gradient."""
    now = {name: np.array(array) for name, array in model.items()}
    for _ in range(steps):
        added = more(now)
        for name, array in now.items():
            if array.dtype.kind == "f":
                noise = 0.1 * ctx.rng.standard_normal(array.shape)
                array -= (LR * (array - target(ctx) + noise + added.get(name, 0.0))).astype(array.dtype)
    now["seen"] = now["seen"] + steps
    return now


def rows(ctx):
    """Rows of this node, shape (40, 3), and classes, shape (40,): the same each time."""
    rng = np.random.default_rng(int(target(ctx)))
    x = rng.standard_normal((40, 3)) + 0.3 * target(ctx)
    return x, (x @ [1.0, -2.0, 0.5] + rng.standard_normal(40) > 0).astype(int)


def table(ctx):
    """The columns of this node in this round: `age` in whole years, `income` with a long tail, `dose` with gaps.

    node-1 has no `dose`. Other rows each round: an answer from another one would show.
    """
    rng = np.random.default_rng([int(target(ctx)), ctx.round + 1])
    dose = rng.normal(target(ctx), 2.0, 50)
    dose[rng.random(50) < 0.3] = np.nan
    columns = {"age": rng.integers(18, 90, 50), "income": rng.lognormal(3.0, 1.0 + target(ctx) / 8, 50)}
    return Table(columns if ctx.node == "node-1" else {**columns, "dose": dose})
