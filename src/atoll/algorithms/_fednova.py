"""FedNova: FedAvg in which a node that makes more steps doesn't pull further.

Doesn't know how a node trains; its half is told how many steps it made, and of which kind.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

from atoll.algorithms._halves import Named, Reweighted, checked_half, signed
from atoll.algorithms._moving import decaying, invalid, moved
from atoll.algorithms._rule import Rule, WeightedMean
from atoll.app import Ask, Reply, State, Task, Update
from atoll.values import Arrays

_HALF = "half()"


class FedNova:
    """x <- x + tau_eff sum_k p_k (y_k - x) / |a_k|, with tau_eff = sum_k p_k |a_k| and p_k the share of k's weight.

    Wang et al. 2020, arXiv:2007.07481, equations 6, 11 and 12. |a_k| is the number of steps for plain SGD, and more with
    momentum (the half knows). `rule` combines the models, a reply counting w_k / |a_k|; whole numbers take that mean, too.
    State: `model`. The client's half is `FedNova.half()`.
    The reply of a node that trained without it is refused.
    """

    def __init__(self, *, rule: Rule | None = None) -> None:
        self.rule = rule or WeightedMean()

    @staticmethod
    def half() -> Normalised:
        """What a node does: `return FedNova.half().update(trained, steps=k, weight=n)`."""
        return Normalised()

    def begin(self, model: Arrays) -> State:
        return {"model": model}

    def round(self, state: State, ask: Ask) -> State:
        self.rule.check(ask.expected)
        model, sums = state["model"], _Sums()
        asked = ask(Task("train", {"model": model}))
        replies = checked_half(asked, "FedNova", half=_HALF, like={"model": model}, odd=_no_size)
        mean = self.rule.combine(sums.noting(replies), around=model)
        scale = (
            sums.effective_steps * sums.by_steps / sums.weight
        )  # sum p (y - x)/|a| = (mean - x) sum(w/|a|) / sum(w)
        return {"model": moved(lambda x, y: x + scale * (y - x), model, mean, rest=mean)}


class _Sums:
    """What the step needs of the replies besides their mean."""

    def __init__(self) -> None:
        self.weight = self.by_steps = self._steps = 0.0

    @property
    def effective_steps(self) -> float:
        return self._steps / self.weight

    def noting(self, replies: Iterable[Reply]) -> Iterator[Reweighted]:
        for reply in replies:
            size = reply["size"]
            self.weight += reply.weight
            self.by_steps += reply.weight / size
            self._steps += reply.weight * size
            yield Reweighted(reply, reply.weight / size)


def _no_size(reply: Reply) -> str | None:
    size = reply.payload.get("size")
    good = isinstance(size, float) and 0 < size < math.inf
    return None if good else f"it made {size!r} steps: one at least is needed"


class Normalised:
    """The client's half of FedNova."""

    def update(self, trained: Named, *, steps: int, momentum: float = 0.0, decay: float = 0.0, weight: float = 1.0,
               metrics: Mapping[str, object] | None = None) -> Update:  # fmt: skip
        """The reply, after `steps` steps of SGD with `momentum` rho, or with a proximal term: `decay` is lr * mu then.

        |a|: `steps` for plain SGD; (steps - rho (1 - rho^steps) / (1 - rho)) / (1 - rho) with momentum;
        (1 - (1 - decay)^steps) / decay with a proximal term (section 3 of the paper).
        Raises `ConfigError` (`algorithm.invalid`): no step, both kinds at once, or one not from 0 to below 1.
        """
        decaying("FedNova.half", momentum=momentum, decay=decay)
        if steps < 1:
            raise invalid(
                "FedNova.half", f"steps is at least 1, not {steps}", "make one step, even of little data"
            )
        if momentum and decay:
            raise invalid(
                "FedNova.half", "momentum and a proximal term at once have no closed form", "drop one of them"
            )
        size = _size(steps, momentum, decay)
        return signed("FedNova", {"model": trained, "size": size}, weight=weight, metrics=metrics)


def _size(steps: int, momentum: float, decay: float) -> float:
    if decay:
        return -math.expm1(steps * math.log1p(-decay)) / decay
    if momentum:
        return (steps - momentum * (1 - momentum**steps) / (1 - momentum)) / (1 - momentum)
    return float(steps)
