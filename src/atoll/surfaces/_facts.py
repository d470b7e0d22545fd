"""What is known of a run, collected from its events once: for a comparison, and for its card.

Doesn't know where the run was. Models are mapped, not read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from atoll.journal import (
    Accepted,
    Committed,
    Created,
    Failed,
    Finished,
    Held,
    History,
    Offered,
    Source,
    Started,
    Summary,
)

PER_ROUND = "round"  # the phase of a round's own metrics


@dataclass(frozen=True, slots=True)
class Asked:
    """Whom one question of a round was put to, in the order in which replies are folded."""

    action: str
    cohort: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """A run: how it was begun, whom it asked, what came of it. `replied` and `failed` count by round and action."""

    created: Created
    summary: Summary
    history: History
    asked: Mapping[int, list[Asked]]
    replied: Mapping[tuple[int, str], int]
    failed: Mapping[tuple[int, str], int]
    began: float
    ended: float | None
    held: tuple[Held, ...]
    sites: Mapping[str, Mapping[str, str]]  # deployed: the versions that nodes compute with

    @property
    def rounds(self) -> list[dict[str, Any]]:
        """The metrics of each round."""
        return list(self.history.rounds())


def facts_of(runs: Source, summary: Summary, *, models: bool = True) -> Facts:
    """Collect what is known of a run. Raises what the journal raises."""
    created: Created | None = None
    asked: dict[tuple[int, int], Asked] = {}
    failed: Counter[tuple[int, str]] = Counter()
    sites: dict[str, Mapping[str, str]] = {}
    began, ended, held = summary.created, None, dict[Held, None]()
    for _, event in runs.events(summary.id):
        if isinstance(event, Created):
            created = event
        elif isinstance(event, Started):
            began = event.time if event.attempt == 1 else began
        elif isinstance(event, Offered):
            asked[event.round, event.ordinal] = Asked(
                event.action, tuple(event.cohort)
            )  # the last is what counts
        elif isinstance(event, Failed) and event.failure != "late":
            failed[event.round, event.action] += 1
        elif isinstance(event, Finished):
            ended = event.time
        if isinstance(event, Accepted | Committed | Finished):
            held.update(dict.fromkeys(event.data))
        if isinstance(event, Accepted) and event.versions:
            sites[event.node] = event.versions
    assert created is not None
    history = History.of(runs, summary.id, models=models)
    replies = {(r.round, r.phase, r.node) for r in history if r.phase != PER_ROUND}
    by_round: dict[int, list[Asked]] = {}
    for round, ordinal in sorted(asked):
        by_round.setdefault(round, []).append(asked[round, ordinal])
    counted = Counter((round, action) for round, action, _ in replies)
    return Facts(
        created,
        summary,
        history,
        by_round,
        counted,
        failed,
        began,
        ended,
        _in_order(held, created.nodes),
        sites,
    )


def _in_order(held: Iterable[Held], nodes: list[str]) -> tuple[Held, ...]:
    """By node, as the run names them; in which order they were opened depends on the workers."""
    places = {node: place for place, node in enumerate(nodes)}
    return tuple(sorted(held, key=lambda h: (places.get(h.node, len(places)), h.node, h.name)))
