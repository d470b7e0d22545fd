"""SCAFFOLD: FedAvg whose nodes know which way they drift, and correct each of their steps by it.

Doesn't know how a node trains; its half says what to add to each gradient.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from atoll.algorithms._halves import Named, checked_half, remembered, signed
from atoll.algorithms._moving import computed, invalid, moved, positive, zeros
from atoll.algorithms._rule import Rule, WeightedMean
from atoll.app import Ask, Context, Reply, State, Task, Update
from atoll.values import Arrays, Mean

_HALF = "half(model, control, ctx)"
_KEPT = "scaffold"


class Scaffold:
    """Nodes step y <- y - lr (g - c_k + c); the server moves by the means of their changes of model and control.

    Karimireddy et al. 2020, arXiv:1910.06378, algorithm 1 with option II: c_k+ = c_k - c + (x - y) / (steps lr),
    x <- x + lr_server mean(y - x), c <- c + |S|/N mean(c_k+ - c_k), means by weight (the paper's nodes weigh the same).
    `lr` is the server's, over 0. `rule` combines the models; controls take the mean.
    State: `model`, `control` (c, float32 or wider). A node keeps c_k in `ctx.state["scaffold"]`.
    The client's half is `Scaffold.half(model, control, ctx)`; it is made for plain SGD at a node, as option II is.
    The reply of a node that trained without it is refused. Raises `ConfigError` (`algorithm.invalid`).
    """

    def __init__(self, *, lr: float = 1.0, rule: Rule | None = None) -> None:
        positive("Scaffold", lr=lr)
        self.lr, self.rule = float(lr), rule or WeightedMean()

    @staticmethod
    def half(model: Arrays, control: Arrays, ctx: Context) -> Corrected:
        """What a node does: `def train(model, control, ctx): half = Scaffold.half(model, control, ctx)`."""
        return Corrected(model, control, ctx)

    def begin(self, model: Arrays) -> State:
        return {"model": model, "control": zeros(model)}

    def round(self, state: State, ask: Ask) -> State:
        self.rule.check(ask.expected)
        model, control, changes = state["model"], state["control"], _Changes()
        replies = checked_half(ask(Task("train", dict(state))), "Scaffold", half=_HALF, like=state)
        mean = self.rule.combine(changes.noting(replies), around=model)
        part = changes.count / len(ask.nodes)
        return {
            "model": moved(lambda x, y: x + self.lr * (y - x), model, mean, rest=mean),
            "control": computed(lambda c, change: c + part * change, control, changes.mean.finish()),
        }


class _Changes:
    """The mean of the controls' changes, taken while somebody else combines the models."""

    def __init__(self) -> None:
        self.mean, self.count = Mean("control"), 0

    def noting(self, replies: Iterable[Reply]) -> Iterator[Reply]:
        for reply in replies:
            self.mean.add(reply)
            self.count += 1
            yield reply


class Corrected:
    """The client's half of SCAFFOLD. With torch, `atoll.torch.add_to_gradients(net, half.correction)` after each backward."""

    def __init__(self, model: Arrays, control: Arrays, ctx: Context) -> None:
        self._model, self._control, self._ctx = model, control, ctx
        self._own = remembered(ctx, _KEPT, model)
        self.correction = computed(lambda c, own: c - own, control, self._own)
        """c - c_k, to be added to every gradient; for what moves in the model, float32 or wider."""

    def update(
        self,
        trained: Named,
        *,
        steps: int,
        lr: float,
        weight: float = 1.0,
        metrics: Mapping[str, object] | None = None,
    ) -> Update:
        """The reply, after `steps` steps of SGD with the learning rate `lr`; the node's control moves with it.

        Raises `ConfigError` (`algorithm.invalid`): no step was made, or `lr` isn't over 0.
        """
        if steps < 1:
            raise invalid(
                "Scaffold.half", f"steps is at least 1, not {steps}", "make one step, even of little data"
            )
        positive("Scaffold.half", lr=lr)
        scale = 1 / (steps * lr)
        change = computed(lambda c, x, y: (x - y) * scale - c, self._control, self._model, trained)
        self._ctx.state[_KEPT] = computed(lambda own, d: own + d, self._own, change)
        return signed("Scaffold", {"model": trained, "control": change}, weight=weight, metrics=metrics)
