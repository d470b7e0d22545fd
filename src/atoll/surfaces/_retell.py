"""Telling a watch what a run's events tell: a run elsewhere is watched like one that runs here.

Doesn't know where the events come from, or who watches.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from atoll.app import Failure, Reply, Watch
from atoll.journal import Accepted, Committed, Created, Event, Failed, Finished, Logged, Offered, Started
from atoll.values import Metrics

PRINTED = "output"  # the level of log lines that user code printed


class Retelling:
    """One run, told event by event. `ended` is its last end, if it has not begun again since."""

    def __init__(self) -> None:
        self.created: Created | None = None
        self.ended: Finished | None = None
        self.number = 0  # of the last event
        self.rounds = 0

    def skip(self, events: Iterable[tuple[int, Event]]) -> Retelling:
        """Take in what was before; nobody is told."""
        for number, event in events:
            self.take(number, event, Watch())
        return self

    def tell(self, events: Iterable[tuple[int, Event]], watch: Watch) -> Finished | None:
        """Tell all of them; returns how the run ended, if it has."""
        for number, event in events:
            self.take(number, event, watch)
        return self.ended

    def take(self, number: int, event: Event, watch: Watch) -> None:
        """Tell one."""
        self.number = number
        if isinstance(event, Created):
            self.created = event
        elif isinstance(event, Started):
            self.ended = None
            assert self.created is not None
            watch.began(self.created.id, self.created.name, self.rounds)
        elif isinstance(event, Offered):
            watch.asked(event.round, event.action, len(event.cohort))
        elif isinstance(event, Accepted):
            watch.replied(event.round, _reply(event))
        elif isinstance(event, Failed):
            watch.failed(
                event.round, Failure(event.index, event.node, event.failure, event.message, event.traceback)
            )
        elif isinstance(event, Committed):
            self.rounds = event.round
            if event.round > 0:
                virtual = {} if event.virtual_time is None else {"virtual_time": event.virtual_time}
                watch.committed(event.round, event.total, {**event.metrics, **virtual}, event.seconds)
        elif isinstance(event, Logged):
            _logged(event, watch)
        elif isinstance(event, Finished):
            self.ended = event


class _Printing(Protocol):
    def printed(self, line: str) -> None: ...


def _logged(event: Logged, watch: Watch | _Printing) -> None:
    if event.level == PRINTED and hasattr(watch, "printed"):
        watch.printed(f"{event.node}: {event.message}" if event.node else event.message)
    elif isinstance(watch, Watch):
        watch.logged(event.level, event.message, event.round, event.node)


def _reply(event: Accepted) -> Reply:
    return Reply(event.index, event.node, event.action, weight=event.weight, metrics=Metrics(event.metrics),
                 seconds=event.seconds, staleness=event.staleness)  # fmt: skip
