"""Cyclic training: the model goes from node to node, and each trains it in its turn.

Doesn't know what the model is.
"""

from __future__ import annotations

import numpy as np

from atoll.algorithms._halves import holding
from atoll.app import Ask, State, Task
from atoll.frameworks.boosters import packed
from atoll.values import Arrays


class Cyclic:
    """One node a round trains the model and hands it on, in turn: model <- T_k(model), k = round mod nodes.

    Cyclical weight transfer: Chang et al. 2018 (JAMIA 25, 945). For boosted trees (`empty()`, and `atoll.xgboost.boost` at the
    client) as for any other model; `alike` demands that a model keeps names, shapes and dtypes, which trees don't.
    State: `model`, `turn` (whose turn it is, a place among the fleet's nodes).
    """

    def __init__(self, *, alike: bool = False) -> None:
        self.alike = alike

    @staticmethod
    def empty() -> Arrays:
        """A model without trees to begin with."""
        return packed(b"")

    def begin(self, model: Arrays) -> State:
        return {"model": model, "turn": Arrays(node=np.array(0))}

    def round(self, state: State, ask: Ask) -> State:
        turn, model = int(state["turn"]["node"]), state["model"]
        node = ask.nodes[turn % len(ask.nodes)]
        task = Task("train", {"model": model}, alike=self.alike)
        for reply in holding(ask({node: task}), "model"):
            model = reply.arrays
        return {"model": model, "turn": Arrays(node=np.array(turn + 1))}
