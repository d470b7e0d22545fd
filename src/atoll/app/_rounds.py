"""Rounds: the durable loop of a server app.

Doesn't know what happens in a round; it knows which are committed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from atoll.app._record import Record
from atoll.journal import EPILOGUE
from atoll.values import Arrays, AtollError, Metrics, RunError, Scalar


class Round:
    """One round of a run: the state it starts from, and the one chance to commit what it leads to."""

    def __init__(self, record: Record, number: int, total: int, state: Mapping[str, Arrays]) -> None:
        self._record, self.number, self.total, self.state = record, number, total, state
        self._begun = time.monotonic()
        self.next_state: Mapping[str, Arrays] | None = None

    def commit(
        self,
        state: Mapping[str, Arrays],
        *,
        metrics: Mapping[str, object] | None = None,
        score: float | None = None,
    ) -> None:
        """End the round: its state by name, and what there is to tell of it. `score`: higher is better; the best is kept.

        Raises `RunError` (`round.committed-twice`, `round.bad-state`).
        """
        if self.next_state is not None:
            raise RunError(
                "round.committed-twice",
                f"round {self.number} is committed already",
                "commit once, at its end",
            )
        self.next_state = checked_state(state)
        self._record.commit(
            self.number,
            self.total,
            self.next_state,
            metrics=Metrics(metrics),
            score=score,
            seconds=time.monotonic() - self._begun,
        )


class Rounds:
    """The loop over rounds 1 to `total` that are not committed yet: `for rnd in rounds`.

    `initial` counts the first time only: it is journaled as round 0. `state` is the last one committed, `metrics` those of
    all rounds committed so far, oldest first. Raises `RunError` (`round.not-committed`) when a round's body ends
    without `commit`.
    """

    def __init__(self, record: Record, total: int, initial: Mapping[str, Arrays]) -> None:
        self._record, self.total = record, total
        if record.last < 0:
            record.commit(0, total, checked_state(initial), metrics={}, score=None, seconds=0.0)
        self.state = record.state()

    @property
    def metrics(self) -> list[Mapping[str, Scalar]]:
        return [c.metrics for c in self._record.committed if c.round > 0]

    def __iter__(self) -> Iterator[Round]:
        try:
            for number in range(self._record.last + 1, self.total + 1):
                self._record.enter(number)
                current = Round(self._record, number, self.total, self.state)
                yield current
                if current.next_state is None:
                    mend = "end the body of `for rnd in ctx.rounds(...)` with rnd.commit({...})"
                    raise RunError("round.not-committed", f"round {number} ended without a commit", mend)
                del current
                self.state = self._record.state()
        finally:  # after a `break` too
            self.state = self._record.state()
            self._record.enter(EPILOGUE)


def checked_state(state: Mapping[str, Arrays]) -> dict[str, Arrays]:
    """A state: names to Arrays (plain mappings of arrays become Arrays)."""
    try:
        return {str(n): (a if isinstance(a, Arrays) else Arrays(a)).settled() for n, a in state.items()}
    except (TypeError, AttributeError, AtollError) as error:
        kind = type(state).__name__
        mend = 'commit({"model": arrays}), with arrays an atoll.Arrays'
        raise RunError(
            "round.bad-state", f"a state is a mapping from names to Arrays, not {kind}: {error}", mend
        ) from error
