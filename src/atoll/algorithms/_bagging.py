"""Bagging: in each round every node grows trees on the same model, and all of them join it.

Doesn't know how trees are grown: models are bytes, and `atoll.frameworks` merges them.
"""

from __future__ import annotations

from collections.abc import Mapping

from atoll.algorithms._halves import checked_half, lacking, signed
from atoll.app import Ask, State, Task, Update
from atoll.frameworks.boosters import Forest, packed, unpacked
from atoll.values import Arrays, ArraysError, RunError

_METHOD, _HALF = "Bagging", "half(model)"


class Bagging:
    """Boosted trees of many sites: model <- model + sum(n_k / n T_k), T_k the trees that node k grew on top of the model.

    What a round adds to a prediction is the mean by weight of what the nodes would add, as FedAvg's of models; a round is so one
    round of boosting with a forest of all nodes' trees (the bagging of Breiman 1996, Machine Learning 24, over parts instead of
    bootstraps). Holds the new trees of all nodes at once. Models are XGBoost's JSON documents, as `atoll.xgboost.get_arrays` gives
    them; the server needs no xgboost, and nothing is pickled.

    State: `model`, one array of bytes, empty at first (`Bagging.empty()`). The client's half is `Bagging.half(model)`.
    A reply without it is refused, and so are trees that are none, or of another kind than the model's (the first node's, in the
    first round): another objective, number of columns or base score. Raises `RunError` (`fold.no-weight`).
    """

    @staticmethod
    def empty() -> Arrays:
        """The model to begin with: no trees."""
        return packed(b"")

    @staticmethod
    def half(model: Arrays) -> Grown:
        """What a node does: `half = Bagging.half(model)`, grow trees, `return half.update(get_arrays(booster, since=model))`."""
        return Grown(model)

    def begin(self, model: Arrays) -> State:
        unpacked(model)
        return {"model": model}

    def round(self, state: State, ask: Ask) -> State:
        task = Task("train", {"model": state["model"]}, alike=False)
        forest = Forest(unpacked(state["model"]))
        for reply in checked_half(ask(task), _METHOD, half=_HALF):
            if wrong := lacking(reply, "trees"):
                reply.refuse(wrong)
                continue
            try:
                forest.add(reply.weight, unpacked(reply["trees"]))
            except ArraysError as error:
                reply.refuse(error.message)
        if not forest.weight:
            raise RunError(
                "fold.no-weight",
                "the weights of the trees add up to 0",
                "half.update(trees, weight=len(data))",
            )
        return {"model": packed(forest.finish())}


class Grown:
    """The client's half of bagging."""

    def __init__(self, model: Arrays) -> None:
        self.model = model

    def update(
        self, trees: Arrays, *, weight: float = 1.0, metrics: Mapping[str, object] | None = None
    ) -> Update:
        """The reply: the trees that were grown on top of the model, and no others."""
        return signed(_METHOD, {"trees": trees}, weight=weight, metrics=metrics)
