"""The rule: how the replies of a round become one set of arrays.

Doesn't know which method asked, or what happens to the result.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, final

from atoll.algorithms._halves import holding
from atoll.values import Arrays, Contribution, Mean

if TYPE_CHECKING:
    from atoll.app import Ask, Task


class Rule(Protocol):
    """How replies are combined. A rule is a value: it remembers nothing from round to round.

    `WeightedMean` streams, holding one accumulator however many nodes reply. A rule that needs all replies at once is a
    `Collects`: it holds n models, and its type says so.
    """

    def check(self, replies: int) -> None:
        """Raise `ConfigError` (`rule.too-few`) when the rule can't keep its promise with so many replies."""
        ...

    def combine(self, replies: Iterable[Contribution], *, name: str = "model", around: Arrays) -> Arrays:
        """One set of arrays from what each reply calls `name`, with names, shapes and dtypes as in the replies.

        `around` is what the nodes were given under that name, or zeros where replies are differences: what bounds an
        update's length measures it from there. Raises `RunError`, among them `TooFewReplies`.
        """
        ...


@final
@dataclass(frozen=True)
class WeightedMean:
    """The mean by weight, summed as the replies come; see `atoll.Mean`. One hostile reply moves it anywhere."""

    def check(self, replies: int) -> None:
        """Any number will do; that nobody answered is the schedule's matter."""

    def combine(self, replies: Iterable[Contribution], *, name: str = "model", around: Arrays) -> Arrays:
        mean = Mean(name)
        for reply in replies:
            mean.add(reply)
        return mean.finish()


def combined(rule: Rule, ask: Ask, task: Task, *, name: str = "model") -> Arrays:
    """Ask all the cohort one task and combine what comes back around what was sent under `name`.

    What can be refused is refused before anybody is asked; a reply without such arrays is refused, and the others count.
    Raises what `Rule` raises.
    """
    rule.check(ask.expected)
    around = task.payload[name]
    assert isinstance(around, Arrays)
    return rule.combine(holding(ask(task), name), name=name, around=around)
