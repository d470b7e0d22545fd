"""FedAvg: the mean of what the nodes trained, by weight.

Doesn't know what the model is.
"""

from __future__ import annotations

from atoll.app import Ask, State, Task
from atoll.values import Arrays, Mean


class FedAvg:
    """Federated averaging: x <- sum(n_k x_k) / sum(n_k).

    McMahan et al. 2017, arXiv:1602.05629, algorithm 1. State: `model`.
    """

    def begin(self, model: Arrays) -> State:
        return {"model": model}

    def round(self, state: State, ask: Ask) -> State:
        mean = Mean()
        for reply in ask(Task("train", {"model": state["model"]})):
            mean.add(reply)
        return {"model": mean.finish()}
