"""FedBN: FedAvg of a part of the model; arrays that are named stay at each node, which keeps its own.

Doesn't know what the arrays are for: normalisation layers (FedBN), or a head (FedPer): the names decide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from atoll.algorithms._halves import Named, checked_half, signed
from atoll.algorithms._kept import overlaid
from atoll.algorithms._moving import invalid
from atoll.algorithms._rule import Rule, WeightedMean
from atoll.app import Ask, Context, State, Task, Update
from atoll.values import Arrays

_HALF = "half(model, local, ctx)"
_KEPT = "fedbn"


class FedBN:
    """The mean by weight of all arrays but those whose names match a pattern: these never leave a node.

    Li et al. 2021, arXiv:2102.07623, algorithm 1 (`local` names the batch normalisation); with the last layer it is FedPer,
    Arivazhagan et al. 2019, arXiv:1912.00818. Patterns are those of a shell: `*`, `?`, `[...]`, case counts.
    `rule` combines the replies. State: `model`, in which local arrays stay as they began: what a new node starts from.
    A node keeps its own in `ctx.state["fedbn"]`. The client's half is `FedBN.half(model, local, ctx)`; the reply of a node
    that trained without it is refused. An evaluation, or anybody else at a node, gets its whole model by `FedBN.personal(model, ctx)`.
    Raises `ConfigError` (`algorithm.invalid`): patterns match none of the model's names, or all.
    """

    def __init__(self, *, local: Sequence[str] = ("*bn*", "*norm*"), rule: Rule | None = None) -> None:
        if isinstance(local, str) or not local:
            raise invalid("FedBN", f"local is a list of patterns, not {local!r}", 'FedBN(local=["*.bn*"])')
        self.local, self.rule = [str(p) for p in local], rule or WeightedMean()

    @staticmethod
    def half(model: Arrays, local: Sequence[str], ctx: Context) -> Partly:
        """What a node does: `def train(model, local, ctx): half = FedBN.half(model, local, ctx)`, and train `half.model`."""
        return Partly(model, local, ctx)

    @staticmethod
    def personal(model: Arrays, ctx: Context) -> Arrays:
        """The whole model of this node: what is shared from `model`, and what is local as the node trained it last."""
        return overlaid(model, ctx, _KEPT)

    def begin(self, model: Arrays) -> State:
        if len(_matching(model, self.local)) in (0, len(model)):
            which = "none" if not _matching(model, self.local) else "all"
            names = ", ".join(list(model)[:6])
            raise invalid(
                "FedBN",
                f"{self.local} match {which} of the model's names: {names} ...",
                "name the part that stays",
            )
        return {"model": model}

    def round(self, state: State, ask: Ask) -> State:
        self.rule.check(ask.expected)
        model, local = state["model"], _matching(state["model"], self.local)
        replies = ask(Task("train", {"model": model, "local": self.local}))
        mean = self.rule.combine(
            checked_half(replies, "FedBN", half=_HALF, like={"model": model}), around=model
        )
        return {"model": Arrays({n: model[n] if n in local else a for n, a in mean.items()})}


class Partly:
    """The client's half of FedBN: `model` is what to train."""

    def __init__(self, model: Arrays, local: Sequence[str], ctx: Context) -> None:
        self._given, self._ctx = model, ctx
        self._local = _matching(model, local)
        self.model = FedBN.personal(model, ctx)
        """The whole model: what is shared, and this node's own."""

    def update(
        self, trained: Named, *, weight: float = 1.0, metrics: Mapping[str, object] | None = None
    ) -> Update:
        """The reply: what is shared as trained, and what is local as it came; the node keeps its own."""
        self._ctx.state[_KEPT] = Arrays({n: trained[n] for n in self._given if n in self._local})
        shared = {n: a if n in self._local else trained[n] for n, a in self._given.items()}
        return signed("FedBN", {"model": shared}, weight=weight, metrics=metrics)


def _matching(names: Named, patterns: Sequence[str]) -> frozenset[str]:
    return frozenset(n for n in names if any(fnmatchcase(n, p) for p in patterns))
