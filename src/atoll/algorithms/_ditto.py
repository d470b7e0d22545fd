"""Ditto: FedAvg, and beside it a model of each node's own on a spring to the common one.

Doesn't know how a node trains; its half says what to add to the own model's gradient.
"""

from __future__ import annotations

from collections.abc import Mapping

from atoll.algorithms._halves import Named, checked_half, signed
from atoll.algorithms._kept import overlaid
from atoll.algorithms._moving import computed, not_negative, squared_length
from atoll.algorithms._rule import Rule, WeightedMean
from atoll.app import Ask, Context, State, Task, Update
from atoll.values import Array, Arrays

_HALF = "half(model, lam, ctx)"
_KEPT = "ditto"


class Ditto:
    """The common model by the mean of what nodes trained; each node's own minimises F_k(v) + lam/2 ||v - w||^2, w the model that came.

    Li et al. 2021, arXiv:2012.04221, algorithm 1. `lam`, at least 0, is sent with the model: 0 is everybody for himself, much is
    the common model for all. `rule` combines the replies. State: `model`. A node keeps its v in `ctx.state["ditto"]`;
    it never leaves. The client's half is `Ditto.half(model, lam, ctx)`; an evaluation gets v by `Ditto.personal(model, ctx)`.
    The reply of a node that trained without it is refused. Raises `ConfigError` (`algorithm.invalid`).
    """

    def __init__(self, *, lam: float = 0.1, rule: Rule | None = None) -> None:
        not_negative("Ditto", lam=lam)
        self.lam, self.rule = float(lam), rule or WeightedMean()

    @staticmethod
    def half(model: Arrays, lam: float, ctx: Context) -> Own:
        """What a node does: `def train(model, lam, ctx): half = Ditto.half(model, lam, ctx)`; it trains `model` and `half.personal`."""
        return Own(model, lam, ctx)

    @staticmethod
    def personal(model: Arrays, ctx: Context) -> Arrays:
        """This node's own model; `model`, the common one, before it has trained any."""
        return overlaid(model, ctx, _KEPT)

    def begin(self, model: Arrays) -> State:
        return {"model": model}

    def round(self, state: State, ask: Ask) -> State:
        self.rule.check(ask.expected)
        model = state["model"]
        replies = ask(Task("train", {"model": model, "lam": self.lam}))
        sound = checked_half(replies, "Ditto", half=_HALF, like={"model": model})
        return {"model": self.rule.combine(sound, around=model)}


class Own:
    """The client's half of Ditto. `personal` is the node's own model so far, to be trained on beside the common one.

    With torch, add `atoll.torch.proximal(net, model, lam)` to the own model's loss.
    """

    def __init__(self, model: Arrays, lam: float, ctx: Context) -> None:
        not_negative("Ditto.half", lam=lam)
        self._model, self._lam, self._ctx = model, float(lam), ctx
        self.personal = Ditto.personal(model, ctx)

    def loss(self, now: Named) -> float:
        """lam/2 ||v - w||^2, to be added to the own model's loss; what moves only."""
        return self._lam / 2 * squared_length(computed(lambda v, w: v - w, now, self._model))

    def gradient(self, now: Named) -> dict[str, Array]:
        """lam (v - w) for each array that moves, to be added to the own model's gradient; float32 or wider."""
        return dict(computed(lambda v, w: self._lam * (v - w), now, self._model))

    def update(
        self,
        trained: Named,
        *,
        personal: Named,
        weight: float = 1.0,
        metrics: Mapping[str, object] | None = None,
    ) -> Update:
        """The reply: the common model as trained here. The own one, `personal`, stays at the node."""
        self._ctx.state[_KEPT] = Arrays({n: personal[n] for n in self._model})
        return signed("Ditto", {"model": trained}, weight=weight, metrics=metrics)
