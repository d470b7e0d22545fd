"""What the two halves of a method have in common: the client half signs its replies, the server half looks for the signature.

Doesn't know any method. A client that trains without its half would quietly turn the method into another one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from atoll.algorithms._moving import zeros
from atoll.app import Context, Reply, Update
from atoll.values import Array, Arrays, Contribution, RunError

Named: TypeAlias = Mapping[str, Array]  # arrays by name: Arrays, or a plain dictionary

HALF = "half"  # the payload that names the method


def signed(
    method: str,
    payload: Mapping[str, Any],
    *,
    weight: float,
    metrics: Mapping[str, object] | None = None,
) -> Update:
    """An Update that says which method's half made it. Plain mappings of arrays become Arrays."""
    settled = {n: Arrays(v) if _is_arrays(v) else v for n, v in payload.items()}
    return Update({**settled, HALF: method}, weight=weight, metrics=metrics)


def checked_half(
    replies: Iterable[Reply],
    method: str,
    *,
    half: str,
    like: Mapping[str, Arrays] | None = None,
    odd: Callable[[Reply], str | None] = lambda reply: None,
) -> Iterator[Reply]:
    """The replies that the method's half made; the others are refused, and the run goes on without them.

    Each holds arrays `like` these, by name; `odd` says why a reply is none of the half's, as only the method can know.
    """
    for reply in replies:
        if reply.payload.get(HALF) != method:
            mend = f"in its train function, half = {method}.{half}, and return half.update(...)"
            reply.refuse(f"it trained without the client's half of {method}: {mend}")
        elif wrong := unlike(reply, like or {}) or odd(reply):
            reply.refuse(wrong)
        else:
            yield reply


def lacking(reply: Reply, name: str) -> str | None:
    """Why a reply can't be folded under this name: it holds no arrays there; None when it does."""
    there = isinstance(reply.payload.get(name), Arrays)
    return None if there else f"it returned no arrays called `{name}`"


def holding(replies: Iterable[Reply], name: str) -> Iterator[Reply]:
    """The replies that hold arrays of this name; the others are refused."""
    for reply in replies:
        if lack := lacking(reply, name):
            reply.refuse(lack)
        else:
            yield reply


def unlike(reply: Reply, like: Mapping[str, Arrays]) -> str | None:
    """Why a reply doesn't hold arrays like these, by name; None when it does."""
    for name, arrays in like.items():
        if lack := lacking(reply, name):
            return lack
        if wrong := arrays.difference(reply[name]):
            return f"the returned `{name}` is not fit to be folded: {wrong}"
    return None


def remembered(ctx: Context, name: str, model: Named) -> Arrays:
    """What a node keeps for a method, like what moves in the model; zeros before the first time.

    Raises `RunError` (`algorithm.other-state`) when it was kept for a model of another shape.
    """
    fresh = zeros(model)
    kept = ctx.state.get(name, fresh)
    if not isinstance(kept, Arrays):
        raise other_state(ctx, name, "it holds no arrays")
    if wrong := fresh.difference(kept):
        raise other_state(ctx, name, wrong)
    return kept


def other_state(ctx: Context, name: str, wrong: str) -> RunError:
    """A node remembers something for another model."""
    message = f"what {ctx.node} keeps as ctx.state[{name!r}] is not for this model: {wrong}"
    return RunError(
        "algorithm.other-state", message, f"keep the model's shape during a run, or del ctx.state[{name!r}]"
    )


@dataclass(slots=True)
class Reweighted:
    """A reply that counts for more or less than it says."""

    reply: Contribution
    weight: float

    @property
    def index(self) -> int:
        return self.reply.index

    @property
    def node(self) -> str:
        """Who sent it, for what names the odd ones out."""
        return str(getattr(self.reply, "node", ""))

    def __getitem__(self, name: str) -> Arrays:
        return self.reply[name]

    def folded(self) -> None:
        self.reply.folded()


def _is_arrays(value: object) -> bool:
    return (
        isinstance(value, Mapping)
        and not isinstance(value, Arrays)
        and all(hasattr(a, "__array__") for a in value.values())
    )
