"""What a run's journal tells of the cohorts that were asked in rounds: who answered what, and which answers don't count.

Doesn't know what was asked. Streams outlive rounds, and are told of in `_streams.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from atoll.journal import PROLOGUE, Accepted, Failed, Offered


@dataclass(slots=True)
class Offering:
    """One call of the program to the fleet, and the answers that the journal has for it."""

    digest: str
    cohort: list[str]
    outcomes: dict[int, Accepted | Failed] = field(default_factory=dict)
    refused: set[int] = field(default_factory=set)  # accepted, and found not to count after all

    def take(self, event: Accepted | Failed) -> None:
        """An answer, or that the one which was accepted does not count: that is found out again from what it holds."""
        if isinstance(event, Failed) and isinstance(self.outcomes.get(event.index), Accepted):
            self.refused.add(event.index)
        else:
            self.outcomes[event.index] = event

    def forgive(self) -> None:
        """Whoever's answer did not count is asked again."""
        bad = [i for i, o in self.outcomes.items() if isinstance(o, Failed) or i in self.refused]
        for index in bad:
            del self.outcomes[index]
        self.refused.clear()


class Offerings:
    """Fed with the events of all attempts, in their order; of a committed round nothing is kept."""

    def __init__(self) -> None:
        self._at: dict[tuple[int, int], Offering] = {}

    def find(self, round: int, ordinal: int) -> Offering | None:
        """What is known of the program's call at this place."""
        return self._at.get((round, ordinal))

    def open(self, event: Offered) -> None:
        """A cohort was asked."""
        self._at[event.round, event.ordinal] = Offering(event.digest, event.cohort)

    def take(self, event: Accepted | Failed) -> None:
        """What one of them answered. A late answer changes nothing."""
        offering = self._at.get((event.round, event.ordinal))
        if offering is not None and not (isinstance(event, Failed) and event.failure == "late"):
            offering.take(event)

    def void(self, round: int, ordinal: int) -> None:
        """The program asks something else from this place on."""
        self._at = {p: o for p, o in self._at.items() if p[0] != round or p[1] < ordinal}

    def committed(self, round: int) -> None:
        """Nobody asks again what a round asked."""
        self._at = {p: o for p, o in self._at.items() if p[0] != round}

    def forgive(self, *, prologue: bool) -> None:
        """A run that failed is resumed because something was mended: whose answer did not count is asked again."""
        for (round, _), offering in self._at.items():
            if round != PROLOGUE or prologue:
                offering.forgive()
