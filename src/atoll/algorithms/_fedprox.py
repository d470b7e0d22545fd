"""FedProx: FedAvg whose nodes are held back by a spring to the model that they were given.

Doesn't know how a node trains; its half says what to add to loss or gradient.
"""

from __future__ import annotations

from collections.abc import Mapping

from atoll.algorithms._halves import Named, checked_half, signed
from atoll.algorithms._moving import computed, not_negative, squared_length
from atoll.algorithms._rule import Rule, WeightedMean
from atoll.app import Ask, State, Task, Update
from atoll.values import Array, Arrays

_HALF = "half(model, mu)"


class FedProx:
    """Each node minimises F_k(w) + mu/2 ||w - w_t||^2 roughly; the server takes the mean by weight.

    Li et al. 2020, arXiv:1812.06127, equation 2 and algorithm 2. `mu`, at least 0, is sent with the model: 0 is FedAvg, 0.001 to 1
    usual. State: `model`. The client's half is `FedProx.half(model, mu)`.
    The reply of a node that trained without it is refused. Raises `ConfigError` (`algorithm.invalid`).
    """

    def __init__(self, *, mu: float = 0.1, rule: Rule | None = None) -> None:
        not_negative("FedProx", mu=mu)
        self.mu, self.rule = float(mu), rule or WeightedMean()

    @staticmethod
    def half(model: Arrays, mu: float) -> Prox:
        """What a node does: `def train(model, mu, ctx): half = FedProx.half(model, mu)`."""
        return Prox(model, mu)

    def begin(self, model: Arrays) -> State:
        return {"model": model}

    def round(self, state: State, ask: Ask) -> State:
        self.rule.check(ask.expected)
        model = state["model"]
        replies = ask(Task("train", {"model": model, "mu": self.mu}))
        sound = checked_half(replies, "FedProx", half=_HALF, like={"model": model})
        return {"model": self.rule.combine(sound, around=model)}


class Prox:
    """The client's half of FedProx. With torch, add `atoll.torch.proximal(net, model, mu)` to the loss instead."""

    def __init__(self, model: Arrays, mu: float) -> None:
        not_negative("FedProx.half", mu=mu)
        self.model, self.mu = model, float(mu)

    def loss(self, now: Named) -> float:
        """mu/2 ||w - w_t||^2, to be added to the loss; what moves only."""
        return self.mu / 2 * squared_length(computed(lambda w, start: w - start, now, self.model))

    def gradient(self, now: Named) -> dict[str, Array]:
        """mu (w - w_t) for each array that moves, to be added to its gradient; float32 or wider."""
        return dict(computed(lambda w, start: self.mu * (w - start), now, self.model))

    def update(
        self, trained: Named, *, weight: float = 1.0, metrics: Mapping[str, object] | None = None
    ) -> Update:
        """The reply: the trained model, like the one that came."""
        return signed("FedProx", {"model": trained}, weight=weight, metrics=metrics)
