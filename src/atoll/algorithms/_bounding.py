"""NormBounding: what each node changes is shortened to a bound, and averaged as it comes.

Doesn't know how many replies are hostile; each moves the model by the bound over n at most.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import final

import numpy as np

from atoll.algorithms._collects import sound, too_few
from atoll.algorithms._distances import squared
from atoll.algorithms._stack import counts, flat, parts, widened
from atoll.values import Array, Arrays, ConfigError, Contribution, Mean


@final
@dataclass(frozen=True)
class NormBounding:
    """The mean of x + u_i min(1, bound / |u_i|), u_i = x_i - x the update of a node and x what it was given.

    Sun et al. 2019, arXiv:1911.07963, section 5. `bound` is in units of the model, of the length of an update over all floats.
    Every reply counts alike; `weighted` lets their weights count, which a hostile node chooses. A reply with NaN or infinite
    numbers, or unlike x, is left out. Integers are not bounded, they take the mean. It streams: one accumulator, and one
    reply, in float32 or wider. Raises `ConfigError` (`algorithm.invalid`) and `TooFewReplies` (`rule.too-few-replies`).
    """

    bound: float
    weighted: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.bound < math.inf:
            raise ConfigError("algorithm.invalid", f"NormBounding takes a bound over 0, not {self.bound}")

    def check(self, replies: int) -> None:
        """Any number will do."""

    def combine(self, replies: Iterable[Contribution], *, name: str = "model", around: Arrays) -> Arrays:
        mean, broken, any_sound = Mean(name, weighted=self.weighted), "", False
        for reply, arrays in sound(replies, name, around):
            if isinstance(arrays, str):
                broken = broken or f": {arrays}"
            else:
                mean.add(_Bounded(reply, _bounded(arrays, around, self.bound)))
                any_sound = True
            reply.folded()
        if not any_sound:
            raise too_few(f"{self} got no reply that can be folded{broken}")
        found = mean.finish()
        return Arrays({n: found[n].astype(a.dtype, copy=False) for n, a in around.items()})


@dataclass(frozen=True)
class _Bounded:
    """A reply with other arrays, as far as a fold looks at it."""

    reply: Contribution
    arrays: Arrays

    @property
    def index(self) -> int:
        return self.reply.index

    @property
    def weight(self) -> float:
        return self.reply.weight

    def __getitem__(self, name: str) -> Arrays:
        return self.arrays

    def folded(self) -> None:
        """The reply is told by the rule."""


def _bounded(arrays: Arrays, around: Arrays, bound: float) -> Arrays:
    share = bound / max(bound, _length(arrays, around))
    return Arrays({n: a if counts(a) else _toward(around[n], a, share) for n, a in arrays.items()})


def _length(arrays: Arrays, around: Arrays) -> float:
    """Of an update, over all floats; what overflows is infinitely long."""
    with np.errstate(over="ignore"):
        floats = (n for n, a in arrays.items() if not counts(a))
        return math.sqrt(sum(squared(u) for n in floats for u in _updates(arrays[n], around[n])))


def _updates(array: Array, start: Array) -> Iterator[Array]:
    row, given = flat(array), flat(start)
    return (widened(row[part]) - widened(given[part]) for part in parts(row.size))


def _toward(start: Array, array: Array, share: float) -> Array:
    """start + share (array - start), in float32 or wider."""
    wide = array.dtype if array.dtype.kind in "fc" and array.dtype.itemsize >= 4 else np.dtype(np.float32)
    found = np.empty(array.shape, wide)
    out, row, given = flat(found), flat(array), flat(start)
    for part in parts(row.size):
        x, u = widened(given[part]), widened(row[part])
        if share == 1:
            out[part] = u
        else:  # infinitely long: no part of it, which might overflow
            out[part] = x + (u - x) * share if share else x
    return found
