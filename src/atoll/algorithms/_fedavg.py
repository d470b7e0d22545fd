"""FedAvg: the mean of what the nodes trained, by weight.

Doesn't know what the model is.
"""

from __future__ import annotations

from atoll.algorithms._rule import Rule, WeightedMean, combined
from atoll.app import Ask, State, Task
from atoll.values import Arrays


class FedAvg:
    """Federated averaging: x <- sum(n_k x_k) / sum(n_k).

    McMahan et al. 2017, arXiv:1602.05629, algorithm 1. State: `model`. `rule` combines the replies; a robust one in
    place of the mean, `FedAvg(rule=CoordinateMedian())`, is how a federation withstands hostile nodes.
    """

    def __init__(self, *, rule: Rule | None = None) -> None:
        self.rule = rule or WeightedMean()

    def begin(self, model: Arrays) -> State:
        return {"model": model}

    def round(self, state: State, ask: Ask) -> State:
        return {"model": combined(self.rule, ask, Task("train", {"model": state["model"]}))}
