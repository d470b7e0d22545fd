"""The lines of a run's log, out of its events.

Doesn't know who reads them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from atoll.journal import FINISHED, Committed, Event, Failed, Finished, Logged, Started
from atoll.surfaces.cli._words import number, span

LEVELS = ("debug", "output", "info", "warning", "error")


class Line(NamedTuple):
    """One line of a log. `traceback` belongs to a failure."""

    time: float
    level: str
    round: int | None
    node: str
    message: str
    traceback: str = ""


def lines_of(events: Iterable[Event]) -> Iterator[Line]:
    """What events have to say, line by line."""
    for event in events:
        line = _line(event)
        if line is not None:
            yield line


def _line(event: Event) -> Line | None:
    if isinstance(event, Logged):
        return Line(event.time, event.level, event.round, event.node, event.message)
    if isinstance(event, Failed):
        level = "debug" if event.failure == "late" else "error"
        return Line(
            event.time,
            level,
            event.round,
            event.node,
            f"{event.action} {event.failure}: {event.message}",
            event.traceback,
        )
    if isinstance(event, Committed) and event.round > 0:
        told = "  ".join(f"{n} {number(v)}" for n, v in event.metrics.items())
        return Line(
            event.time,
            "info",
            event.round,
            "",
            f"round {event.round}/{event.total}  {told}  {span(event.seconds)}",
        )
    if isinstance(event, Started):
        again = "" if event.attempt == 1 else f", attempt {event.attempt}"
        return Line(event.time, "info", None, "", f"began{again} (process {event.pid})")
    if isinstance(event, Finished):
        why = f": {event.reason['message']}" if event.reason.get("message") else ""
        level = "info" if event.status == FINISHED else "warning" if event.status == "stopped" else "error"
        return Line(event.time, level, None, "", f"{event.status}{why}", event.reason.get("traceback", ""))
    return None
