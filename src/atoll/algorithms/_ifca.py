"""IFCA: several models at once; each node trains the one that fits it best, and so nodes find their clusters.

Doesn't know how a node trains, or what its loss is; the node's function tells that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from atoll.algorithms._halves import Named, checked_half, signed, unlike
from atoll.algorithms._moving import invalid
from atoll.app import Ask, Reply, State, Task, Update
from atoll.values import Arrays, Mean

_HALF = "half(models, loss)"


class IFCA:
    """Each node takes the model of least loss, trains it, and is averaged with those that took the same.

    Ghosh et al. 2020, arXiv:2006.04088, algorithm 1 (model averaging), means by weight. A model that nobody took stays as it is.
    `others` are the models to begin with besides fit's `initial`; they have to differ, or no node can tell them apart.
    State: `model` (the first, which fit returns), `model_1`, `model_2` ... . The client's half is
    `IFCA.half(models, loss)`, in `def train(ctx, **models)`. A round's `train_cluster_1` is the share of nodes, by weight, in it.
    The reply of a node that trained without it is refused. Raises `ConfigError` (`algorithm.invalid`).
    """

    def __init__(self, *, others: Sequence[Arrays | Named]) -> None:
        self.others = [a if isinstance(a, Arrays) else Arrays(a) for a in others]
        if not self.others:
            raise invalid("IFCA", "one model makes no clusters", "IFCA(others=[another model, ...])")

    @staticmethod
    def half(models: Mapping[str, Arrays], loss: Callable[[Arrays], float]) -> Chosen:
        """What a node does: `half = IFCA.half(models, loss)`; `half.model` is the one to train.

        `loss(model)` is that of a model over the node's training data.
        """
        return Chosen(models, loss)

    def begin(self, model: Arrays) -> State:
        state = {"model": model, **{f"model_{i}": a for i, a in enumerate(self.others, start=1)}}
        for name, other in state.items():
            if wrong := model.difference(other):
                raise invalid("IFCA", f"{name} is not like the first model: {wrong}")
        if len({a.digest for a in state.values()}) < len(state):
            raise invalid("IFCA", "two of the models are the same", "draw each with a seed of its own")
        return state

    def evaluated(self, state: State) -> State:
        """All models: a node evaluates the one that fits it, `def evaluate(ctx, **models): half = IFCA.half(models, loss)`."""
        return state

    def round(self, state: State, ask: Ask) -> State:
        means: dict[str, Mean] = {}
        asked = ask(Task("train", dict(state)))
        for reply in checked_half(asked, "IFCA", half=_HALF, odd=lambda reply: _not_one(reply, state)):
            name = _chosen(reply, state)[0]
            means.setdefault(name, Mean(name)).add(reply)
        return {n: means[n].finish() if n in means else a for n, a in state.items()}


class Chosen:
    """The client's half of IFCA: `model` is the one to train, `cluster` its number from 0, `losses` those of all models."""

    def __init__(self, models: Mapping[str, Arrays], loss: Callable[[Arrays], float]) -> None:
        named = {n: models[n] for n in _names(models)}
        self._names = list(named)
        self.losses = [float(loss(model)) for model in named.values()]
        self.cluster = min(range(len(self.losses)), key=self.losses.__getitem__)
        self.model = named[self._names[self.cluster]]

    def update(
        self, trained: Named, *, weight: float = 1.0, metrics: Mapping[str, object] | None = None
    ) -> Update:
        """The reply: the trained model under the name that it came by, and which one it was among the metrics."""
        shares = {f"cluster_{i}": float(i == self.cluster) for i in range(len(self._names))}
        return signed(
            "IFCA", {self._names[self.cluster]: trained}, weight=weight, metrics={**shares, **(metrics or {})}
        )


def _names(models: Mapping[str, Arrays]) -> Iterator[str]:
    for i in range(len(models)):
        name = f"model_{i}" if i else "model"
        if name not in models:
            got = ", ".join(models) or "nothing"
            raise invalid(
                "IFCA.half",
                f"there is no {name} among {got}",
                "def train(ctx, **models): half = IFCA.half(models, loss)",
            )
        yield name


def _chosen(reply: Reply, state: State) -> list[str]:
    return [name for name in reply.payload if name in state]


def _not_one(reply: Reply, state: State) -> str | None:
    names = _chosen(reply, state)
    if len(names) != 1:
        return f"it returned {len(names)} models of IFCA's, not one"
    return unlike(reply, {names[0]: state[names[0]]})
