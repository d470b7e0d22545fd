"""One call in virtual time: when it is over, as far as that is known, and what came of it.

Doesn't know of other calls.
"""

from __future__ import annotations

import math

from atoll.app import Broken, Call, Done, Outcome
from atoll.runtime._paces import Effort, Pace
from atoll.values import Arrays, Payload


class Errand:
    """A call from asking to outcome. `at` is when it ends, or, while it isn't `settled`, the soonest that it can."""

    __slots__ = (
        "asked",
        "at",
        "begin",
        "call",
        "effort",
        "forgotten",
        "limit",
        "number",
        "outcome",
        "pace",
        "version",
    )

    def __init__(self, call: Call, asked: float, number: int, effort: Effort, pace: Pace) -> None:
        self.call, self.asked, self.number, self.effort, self.pace = call, asked, number, effort, pace
        self.limit = math.inf if call.deadline is None else asked + call.deadline
        self.begin = math.inf
        self.at = self.limit
        self.version = 0  # of `at`: what a queue holds of an older one is void
        self.outcome: Outcome | None = None
        self.forgotten = False

    @property
    def settled(self) -> bool:
        """Whether its outcome is known."""
        return self.outcome is not None

    def queue(self) -> None:
        """It waits behind another call of its node: only its deadline can end it."""
        if self.limit < math.inf:
            self._settle(self.limit, self._late())

    def start(self, begin: float, notice: float) -> None:
        """Its node turns to it."""
        self.begin, self.outcome = begin, None
        effort = self.effort
        if effort.fails is not None:
            lost = self.pace.ends(begin, effort.known * effort.fails)
            self._settle(lost + notice, Broken(self.call.id, "lost", "its node failed before it had trained"))
        else:
            self.at = self.pace.ends(begin, effort.known)
            self.version += 1
        self._bound()

    def finish(self, outcome: Outcome) -> None:
        """It was computed: what came of it, if it came in time."""
        weight, nbytes = (
            (outcome.update.weight, bytes_of(outcome.update.payload))
            if isinstance(outcome, Done)
            else (0.0, 0)
        )
        end = self.pace.ends(self.begin, self.effort.seconds(weight, nbytes))
        self._settle(max(self.at, end), outcome)
        self._bound()

    def _bound(self) -> None:
        """Nothing comes after the deadline, or when a node is away for good."""
        if self.at > self.limit:
            self._settle(self.limit, self._late())
        elif self.at == math.inf:
            windows = self.pace.windows
            gone = self.begin if windows is None else max(self.begin, windows.last)
            self._settle(gone, Broken(self.call.id, "lost", "its node went away for good"))

    def _settle(self, at: float, outcome: Outcome) -> None:
        self.at, self.outcome = at, outcome
        self.version += 1

    def _late(self) -> Broken:
        message = f"no answer within its deadline of {self.call.deadline:g} s"
        return Broken(self.call.id, "deadline", message)


def bytes_of(payload: Payload) -> int:
    """Bytes of a payload's arrays."""
    return sum(value.nbytes for value in payload.values() if isinstance(value, Arrays))
