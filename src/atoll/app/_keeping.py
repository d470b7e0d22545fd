"""Which objects a run still needs: replies of the open round, the last two models, the best one, nodes' states.

Doesn't delete anything; it says what has become useless. Lives on whichever thread builds the journal's entries.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from atoll.journal import Accepted, Committed, Event, Finished

LAST_MODELS = 2


@dataclass(frozen=True, slots=True)
class _Model:
    keys: frozenset[str]
    score: float | None


class Keeping:
    """Fed with what the journal is about to hold."""

    def __init__(self, events: Iterable[Event] = (), *, last: int = LAST_MODELS) -> None:
        self._last = last
        self._replies: dict[int, set[str]] = {}
        self._models: list[_Model] = []
        self._best: _Model | None = None
        self._final: frozenset[str] = frozenset()
        self._states: dict[str, str] = {}
        for event in events:
            self.after(event)

    def after(self, event: Event) -> list[str]:
        """Take an event in; return the keys that nobody needs any more."""
        if isinstance(event, Accepted):
            self._replies.setdefault(event.round, set()).update(k for k in (event.payload, event.state) if k)
        if not isinstance(event, Committed | Finished):
            return []
        before = self.live()
        if isinstance(event, Committed):
            self._commit(event)
        else:
            self._final = frozenset(event.model.values())
            if event.status == "finished":
                self._replies.clear()
        return sorted(before - self.live())

    def live(self) -> set[str]:
        """All keys that are needed."""
        models = [*self._models[-self._last :], *([self._best] if self._best else [])]
        kept: list[Collection[str]] = [m.keys for m in models]
        return set().union(*kept, *self._replies.values(), self._states.values(), self._final)

    def _commit(self, event: Committed) -> None:
        if event.round > 0:
            self._replies.pop(event.round, None)
        model = _Model(frozenset(event.state.values()), event.score)
        self._models = [*self._models[-self._last :], model]
        best = self._best.score if self._best else None
        if event.score is not None and event.score > (-math.inf if best is None else best):
            self._best = model
        self._states.update(event.node_states)
