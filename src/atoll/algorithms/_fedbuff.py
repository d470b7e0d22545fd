"""FedBuff: no round waits for the slow; the server steps whenever so many updates have come, old ones counting less.

Doesn't know how a node trains; its half sends the change, since the server has no old model to compare with.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from atoll.algorithms._halves import Named, Reweighted, checked_half, signed
from atoll.algorithms._moving import invalid, moved, moves, not_negative, positive
from atoll.algorithms._rule import Rule, WeightedMean
from atoll.app import Ask, Reply, State, Task, Update
from atoll.values import Arrays, Mean

_HALF = "half(model)"


class FedBuff:
    """x <- x + lr sum_k s(t_k) (y_k - x_k) / K over the K = `buffer` updates that came first; s(t) = (1 + t)^-`staleness`.

    Nguyen et al. 2022, arXiv:2106.06639, algorithm 1; t_k is how many newer models the server has made since x_k, and the mean is by
    weight (the paper's nodes weigh the same). A round is one step of the server; `concurrency` nodes are busy at a time.
    `lr` is the server's, over 0. `rule` combines the changes, a reply counting w_k s(t_k). State: `model`.
    The client's half is `FedBuff.half(model)`. More than one worker: not the same to the bit twice, see "train asynchronously".
    A reply without it is refused. Raises `ConfigError` (`algorithm.invalid`).
    """

    def __init__(self, *, buffer: int = 10, concurrency: int = 20, lr: float = 1.0, staleness: float = 0.5,
                 rule: Rule | None = None) -> None:  # fmt: skip
        if buffer < 1 or concurrency < 1:
            raise invalid("FedBuff", f"buffer and concurrency are at least 1, not {buffer} and {concurrency}")
        positive("FedBuff", lr=lr)
        not_negative("FedBuff", staleness=staleness)
        self.buffer, self.concurrency = buffer, concurrency
        self.lr, self.staleness, self.rule = float(lr), float(staleness), rule or WeightedMean()

    @staticmethod
    def half(model: Arrays) -> Changed:
        """What a node does: `return FedBuff.half(model).update(trained, weight=n)`."""
        return Changed(model)

    def begin(self, model: Arrays) -> State:
        return {"model": model}

    def round(self, state: State, ask: Ask) -> State:
        self.rule.check(self.buffer)
        model, buffered = state["model"], _Buffered(state["model"], self.staleness)
        stream = ask.stream(Task("train", {"model": model}), concurrency=self.concurrency)
        like = {"change": buffered.still, "rest": buffered.idle}
        replies = checked_half(stream, "FedBuff", half=_HALF, like=like)
        change = self.rule.combine(
            buffered.noting(islice(replies, self.buffer)), name="change", around=buffered.still
        )
        scale = self.lr * buffered.fresh / buffered.weight
        return {"model": moved(lambda x, d: x + scale * d, model, change, rest=buffered.rest())}


class _Buffered:
    """The sums that turn a mean into the paper's, and what doesn't move."""

    def __init__(self, model: Arrays, staleness: float) -> None:
        self.still = _changes(model, model)
        self.idle = Arrays({n: a for n, a in model.items() if not moves(a)})
        self.weight = self.fresh = 0.0
        self._staleness, self._rest, self._model = staleness, Mean("rest"), model

    def noting(self, replies: Iterable[Reply]) -> Iterator[Reweighted]:
        for reply in replies:
            fresh = float((1 + reply.staleness) ** -self._staleness)
            self.weight += reply.weight
            self.fresh += reply.weight * fresh
            self._rest.add(reply)
            yield Reweighted(reply, reply.weight * fresh)

    def rest(self) -> Arrays:
        return self._rest.finish()


class Changed:
    """The client's half of FedBuff."""

    def __init__(self, model: Arrays) -> None:
        self._model = model

    def update(
        self, trained: Named, *, weight: float = 1.0, metrics: Mapping[str, object] | None = None
    ) -> Update:
        """The reply: how far what moves has moved, in the model's dtypes, and what doesn't move as it is."""
        rest = {n: a for n, a in trained.items() if not moves(a)}
        payload = {"change": _changes(self._model, trained), "rest": Arrays(rest)}
        return signed("FedBuff", payload, weight=weight, metrics=metrics)


def _changes(model: Named, trained: Named) -> Arrays:
    moving = {n: a for n, a in model.items() if moves(a)}
    return moved(lambda x, y: y - x, moving, trained, rest={})
