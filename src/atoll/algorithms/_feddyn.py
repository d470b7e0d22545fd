"""FedDyn: nodes whose losses are bent until they agree on where the minimum is.

Doesn't know how a node trains; its half says what to add to each gradient.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from atoll.algorithms._halves import Named, checked_half, remembered, signed
from atoll.algorithms._moving import computed, moved, positive, zeros
from atoll.algorithms._rule import Rule, WeightedMean
from atoll.app import Ask, Context, Reply, State, Task, Update
from atoll.values import Array, Arrays

_HALF = "half(model, alpha, ctx)"
_KEPT = "feddyn"


class FedDyn:
    """Nodes minimise F_k(w) - <g_k, w> + alpha/2 ||w - x||^2; then g_k <- g_k - alpha (w - x).

    Acar et al. 2021, arXiv:2111.04263, algorithm 1: h <- h - alpha |P|/m (mean - x); x <- mean - h / alpha, with the mean
    by weight (the paper's nodes weigh the same) and m all nodes. `alpha`, over 0, is sent with the model; 0.001 to 0.1 usual.
    `rule` combines the models. State: `model`, `drift` (h, float32 or wider). A node keeps g_k in `ctx.state["feddyn"]`.
    The client's half is `FedDyn.half(model, alpha, ctx)`.
    The reply of a node that trained without it is refused. Raises `ConfigError` (`algorithm.invalid`).
    """

    def __init__(self, *, alpha: float = 0.01, rule: Rule | None = None) -> None:
        positive("FedDyn", alpha=alpha)
        self.alpha, self.rule = float(alpha), rule or WeightedMean()

    @staticmethod
    def half(model: Arrays, alpha: float, ctx: Context) -> Bent:
        """What a node does: `def train(model, alpha, ctx): half = FedDyn.half(model, alpha, ctx)`."""
        return Bent(model, alpha, ctx)

    def begin(self, model: Arrays) -> State:
        return {"model": model, "drift": zeros(model)}

    def round(self, state: State, ask: Ask) -> State:
        self.rule.check(ask.expected)
        model, counted = state["model"], _Counted()
        task = Task("train", {"model": model, "alpha": self.alpha})
        replies = counted.noting(checked_half(ask(task), "FedDyn", half=_HALF, like={"model": model}))
        mean = self.rule.combine(replies, around=model)
        scale = self.alpha * counted.count / len(ask.nodes)
        drift = computed(lambda h, x, y: h - scale * (y - x), state["drift"], model, mean)
        return {"model": moved(lambda y, h: y - h / self.alpha, mean, drift, rest=mean), "drift": drift}


class _Counted:
    """How many replies passed."""

    def __init__(self) -> None:
        self.count = 0

    def noting(self, replies: Iterable[Reply]) -> Iterator[Reply]:
        for reply in replies:
            self.count += 1
            yield reply


class Bent:
    """The client's half of FedDyn.

    With torch, add `atoll.torch.proximal(net, model, alpha)` to the loss, and after each backward
    `atoll.torch.add_to_gradients(net, half.linear)`.
    """

    def __init__(self, model: Arrays, alpha: float, ctx: Context) -> None:
        positive("FedDyn.half", alpha=alpha)
        self._model, self._alpha, self._ctx = model, float(alpha), ctx
        self.linear = computed(lambda own: -own, remembered(ctx, _KEPT, model))
        """-g_k, the gradient of the linear term; for what moves in the model, float32 or wider."""

    def gradient(self, now: Named) -> dict[str, Array]:
        """alpha (w - x) - g_k for each array that moves, to be added to its gradient; float32 or wider."""
        alpha = self._alpha
        return dict(computed(lambda g, w, x: g + alpha * (w - x), self.linear, now, self._model))

    def update(
        self, trained: Named, *, weight: float = 1.0, metrics: Mapping[str, object] | None = None
    ) -> Update:
        """The reply; the node's own gradient moves with it."""
        self._ctx.state[_KEPT] = computed(lambda g: -g, self.gradient(trained))
        return signed("FedDyn", {"model": trained}, weight=weight, metrics=metrics)
