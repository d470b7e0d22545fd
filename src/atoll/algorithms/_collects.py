"""Collects: the kind of rule that needs all replies of a round at once.

Doesn't know what is made of them; it leaves out what is broken, and sees that enough are left.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Self, final

import numpy as np

from atoll.algorithms._stack import Stack, counts, flat, parts
from atoll.values import Array, Arrays, AtollError, ConfigError, Contribution, TooFewReplies

_STRIDE = 1 << 18  # elements looked at together


class Collects(ABC):
    """A rule that looks at all replies at once, block by block: it holds n models as they came (mapped from files where
    they lie in files), the result, and some blocks of 16 K elements.

    Heads count and not weights, which a hostile node would choose; only weight 0 has no say, as in a mean. A reply that is
    broken never wins: one with NaN or infinite numbers, or unlike `around`, is left out, and taken for one of the f.
    """

    @property
    @abstractmethod
    def least(self) -> int:
        """The smallest number of replies with which the rule keeps its promise."""

    @abstractmethod
    def of(self, stack: Stack, around: Arrays) -> Arrays:
        """The result for replies that are alike, finite and enough."""

    @abstractmethod
    def spared(self, lost: int) -> Self:
        """The rule for what is left after so many of the hostile were left out."""

    def check(self, replies: int) -> None:
        if replies < self.least:
            mend = "ask more nodes in a round (the schedule's fraction, count or quorum), or expect fewer to be hostile"
            raise ConfigError(
                "rule.too-few", f"{self} needs {self.least} replies or more, there are {replies}", mend
            )

    @final
    def combine(self, replies: Iterable[Contribution], *, name: str = "model", around: Arrays) -> Arrays:
        """As `Rule.combine`. Raises `TooFewReplies` (`rule.too-few-replies`)."""
        stack, why = _stacked(replies, name, around)
        rule = self.spared(stack.lost)
        try:
            rule.check(stack.count)
        except ConfigError as short:
            raise too_few(f"{short.message}{why}") from None
        return rule.of(stack, around)


@dataclass(frozen=True, kw_only=True)
class Tolerant(Collects):
    """A rule for a known number of hostile nodes: `f` of the replies may be anything. Raises `ConfigError`."""

    f: int

    def __post_init__(self) -> None:
        if type(self.f) is not int or self.f < 0:
            raise ConfigError(
                "algorithm.invalid", f"{type(self).__name__} takes f >= 0, a whole number, not {self.f!r}"
            )

    def spared(self, lost: int) -> Self:
        return replace(self, f=max(0, self.f - lost))


def too_few(message: str) -> TooFewReplies:
    """The error of a rule that got fewer sound replies than it needs."""
    mend = (
        "see `atoll log` for the nodes that failed; a minimum in the schedule ends a round that lost too many"
    )
    return TooFewReplies("rule.too-few-replies", message, mend)


def sound(
    replies: Iterable[Contribution], name: str, around: Arrays
) -> Iterator[tuple[Contribution, Arrays | str]]:
    """Each reply that has a say, with its arrays, or why it is broken."""
    for reply in replies:
        if reply.weight > 0:
            yield reply, _arrays(reply, name, around)


def _arrays(reply: Contribution, name: str, around: Arrays) -> Arrays | str:
    try:
        arrays = reply[name]
    except AtollError as error:
        if error.code != "reply.no-payload":
            raise
        return error.message
    if not isinstance(arrays, Arrays):
        return f"`{name}` is no Arrays"
    if wrong := around.difference(arrays):
        return wrong
    odd = next((n for n, a in arrays.items() if not counts(a) and not finite(a)), None)
    return arrays if odd is None else f"`{odd}` holds NaN or infinite numbers"


def finite(array: Array) -> bool:
    """Whether all numbers are finite; in one pass where they are."""
    row = flat(array)
    if row.dtype.kind == "f" and row.dtype.itemsize >= 4:
        with np.errstate(
            all="ignore"
        ):  # a NaN or an infinity shows in the sum of squares, and so does an overflow
            if all(math.isfinite(row[part] @ row[part]) for part in parts(row.size, _STRIDE)):
                return True
    return all(bool(np.isfinite(row[part]).all()) for part in parts(row.size, _STRIDE))


def _stacked(replies: Iterable[Contribution], name: str, around: Arrays) -> tuple[Stack, str]:
    members, weights, broken = [], [], []
    for reply, arrays in sound(replies, name, around):
        if isinstance(arrays, str):
            broken.append(arrays)
        else:
            members.append(arrays)
            weights.append(reply.weight)
        reply.folded()  # what is kept is kept here
    why = f"; {len(broken)} were broken: {broken[0]}" if broken else ""
    return Stack(around, members, weights, len(broken)), why
