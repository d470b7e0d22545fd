"""What the hospitals gain: `python -m __package__` prints the README's table.

Each patient is tested once, by models that were trained without a fifth of the
patients, this one among them. Whoever trains alone, or on the pooled records, is a
federation of one node, and runs the same app.
"""

from pathlib import Path

import numpy as np
from atoll import Arrays, simulate
from atoll.app import Watch, read_project
from atoll.data import Table

from __package__ import client, server
from __package__.data import features, load
from __package__.model import chances

FOLDS = 5
SITES = ("cleveland", "budapest", "long-beach", "switzerland")
MODELS = {"logistic": "logistic regression", "net": "small net"}
PROJECT = read_project(Path(__file__).parents[1])
CONFIG = {name: value for name, value in PROJECT.config.items() if name != "model"}


def trained(rows: Table, model: str, nodes: int = 1) -> Arrays:
    """The model of a federation of so many nodes, with all these rows between them."""
    return simulate(
        server.app,
        client.app,
        data={"train": rows, "test": rows},
        nodes=nodes,
        partition={"by": "natural", "column": "site"} if nodes > 1 else {"by": "iid"},
        config={"model": model, **CONFIG},
        watch=Watch(),  # which shows nothing
    ).model


def everybody() -> Table:
    """All patients, in the order of their numbers."""
    parts = load()
    names = parts["train"].columns
    whole = Table({n: np.concatenate([parts[p][n] for p in parts]) for n in names})
    return whole[np.argsort(whole["id"])]


def folds(whole: Table) -> np.ndarray:
    """For each patient a number from 0 to 4: a fifth of each site's ill and healthy."""
    fold = np.empty(len(whole), int)
    kinds = np.char.add(whole["site"], whole["label"].astype(str))
    for kind in np.unique(kinds):
        mine = np.random.default_rng(0).permutation(np.flatnonzero(kinds == kind))
        fold[mine] = np.arange(len(mine)) % FOLDS
    return fold


def table(model: str) -> dict[str, list[float]]:
    """By who trains: the part told rightly at each site, of all, and the AUC of all."""
    whole = everybody()
    x, y = features(whole)
    who = {f"{site} alone": whole["site"] == site for site in SITES}
    who |= dict.fromkeys(("together", "pooled"), np.ones(len(y), bool))
    told = {name: np.empty(len(y)) for name in who}
    fold = folds(whole)
    for held in range(FOLDS):
        for name, rows in who.items():
            nodes = len(SITES) if name == "together" else 1
            weights = trained(whole[rows & (fold != held)], model, nodes)
            told[name][fold == held] = chances(weights, x[fold == held])
    at = [whole["site"] == site for site in SITES] + [np.ones(len(y), bool)]
    return {
        name: [*(float(((p > 0.5) == y)[rows].mean()) for rows in at), auc(p, y)]
        for name, p in told.items()
    }


def auc(chance: np.ndarray, y: np.ndarray) -> float:
    """How often one who is ill is given a higher chance than one who isn't."""
    ill, healthy = chance[y == 1][:, None], chance[y == 0]
    return float(((ill > healthy) + 0.5 * (ill == healthy)).mean())
