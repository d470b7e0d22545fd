"""q-FedAvg: nodes that do badly count for more, so that accuracy is spread more evenly.

Doesn't know how a node trains; its half tells the loss that the given model had there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from atoll.algorithms._halves import Named, Reweighted, checked_half, signed
from atoll.algorithms._moving import computed, moved, not_negative, positive, squared_length
from atoll.algorithms._rule import Rule, WeightedMean
from atoll.app import Ask, Reply, State, Task, Update
from atoll.values import Arrays

_HALF = "half()"
_LEAST = 1e-10  # a loss of nothing has no power below 0


class QFedAvg:
    """x <- x - sum(D_k) / sum(h_k): D_k = F_k^q L (x - y_k), h_k = q F_k^(q-1) |L (x - y_k)|^2 + L F_k^q, L = 1 / lr.

    Li et al. 2020, arXiv:1905.10497, algorithm 2; F_k is the loss of the given model at node k. Each term counts by the
    node's weight (the paper draws nodes by weight instead). `q`, at least 0: 0 is FedAvg, more is fairer; `lr` is the
    nodes' learning rate. State: `model`, `loss` (the last round's mean, a scale that keeps powers within floats' range).
    The client's half is `QFedAvg.half()`; a reply without it, or with a loss below 0, is refused.
    Raises `ConfigError` (`algorithm.invalid`).
    """

    def __init__(self, *, q: float = 1.0, lr: float = 0.1, rule: Rule | None = None) -> None:
        not_negative("QFedAvg", q=q)
        positive("QFedAvg", lr=lr)
        self.q, self.lr, self.rule = float(q), float(lr), rule or WeightedMean()

    @staticmethod
    def half() -> Told:
        """What a node does: `return QFedAvg.half().update(trained, loss=before, weight=n)`."""
        return Told()

    def begin(self, model: Arrays) -> State:
        return {"model": model, "loss": Arrays(mean=np.array(0.0))}  # 0: not known yet

    def round(self, state: State, ask: Ask) -> State:
        self.rule.check(ask.expected)
        model, sums = state["model"], _Sums(self.q, self.lr, state["model"], float(state["loss"]["mean"]))
        asked = ask(Task("train", {"model": model}))
        replies = checked_half(asked, "QFedAvg", half=_HALF, like={"model": model}, odd=_no_loss)
        mean = self.rule.combine(sums.noting(replies), around=model)
        part = sums.steepness and sums.pull / sums.steepness
        return {
            "model": moved(lambda x, y: x + part * (y - x), model, mean, rest=mean),
            "loss": Arrays(mean=np.array(sums.mean_loss)),
        }


class _Sums:
    """sum(D_k) / L and sum(h_k) / L, all losses over `scale`: their quotient is the same for any scale."""

    def __init__(self, q: float, lr: float, model: Arrays, scale: float) -> None:
        self._q, self._lr, self._model, self._scale = q, lr, model, scale
        self.pull = self.steepness = self._loss = self._weight = 0.0

    @property
    def mean_loss(self) -> float:
        return self._loss / self._weight if self._weight else 0.0

    def noting(self, replies: Iterable[Reply]) -> Iterator[Reweighted]:
        for reply in replies:
            loss = max(float(reply["loss"]), _LEAST)
            self._scale = self._scale or loss
            power = reply.weight * (loss / self._scale) ** self._q
            away = squared_length(computed(lambda x, y: x - y, self._model, reply["model"]))
            self.pull += power
            self.steepness += power * (1 + self._q / loss * away / self._lr)
            self._loss += reply.weight * loss
            self._weight += reply.weight
            yield Reweighted(reply, power)


def _no_loss(reply: Reply) -> str | None:
    loss = reply.payload.get("loss")
    if isinstance(loss, float | int) and 0 <= loss < math.inf:
        return None
    return f"q-FedAvg needs a loss that is finite and not negative, as a cross entropy has, not {loss!r}"


class Told:
    """The client's half of q-FedAvg."""

    def update(
        self, trained: Named, *, loss: float, weight: float = 1.0, metrics: Mapping[str, object] | None = None
    ) -> Update:
        """The reply; `loss` is that of the model that came, before training, over the node's training data."""
        return signed("QFedAvg", {"model": trained, "loss": float(loss)}, weight=weight, metrics=metrics)
