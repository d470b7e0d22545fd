"""`atoll log`: what a run's journal tells, line by line, as it comes if wanted.

Doesn't know who wrote it.
"""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from atoll.journal import FINISHED, Committed, Event, Failed, Finished, Logged, SqliteJournal, Started
from atoll.surfaces.cli._home import open_journal
from atoll.surfaces.cli._output import Output
from atoll.surfaces.cli._words import number, span

_LEVELS = ("debug", "output", "info", "warning", "error")
_COLOURS = {"debug": "dim", "warning": "yellow", "error": "red"}


class Line(NamedTuple):
    """One line of a log. `traceback` belongs to a failure."""

    time: float
    level: str
    round: int | None
    node: str
    message: str
    traceback: str = ""


def log(values: Namespace, out: Output) -> int:
    """Show a run's log."""
    journal = open_journal()
    try:
        summary = journal.find(values.run)
        numbered = _follow(journal, summary.id) if values.follow else journal.events(summary.id)
        wanted = (line for line in _lines(event for _, event in numbered) if _passes(line, values))
        if out.as_json:
            out.document(
                "atoll.log/1",
                {"run": summary.id, "name": summary.name, "lines": [line._asdict() for line in wanted]},
            )
            return 0
        _print(wanted, out)
        return 0
    finally:
        journal.close()


def _follow(journal: SqliteJournal, run: str) -> Iterator[tuple[int, Event]]:
    """All there is, then what comes: a run that was resumed has ended before, and goes on."""
    last = 0
    for last, event in list(journal.events(run)):
        yield last, event
    yield from journal.follow(run, last)


def _lines(events: Iterable[Event]) -> Iterator[Line]:
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


def _passes(line: Line, values: Namespace) -> bool:
    if values.node is not None and line.node != values.node:
        return False
    if values.round is not None and line.round != values.round:
        return False
    known = line.level if line.level in _LEVELS else "info"
    return values.level is None or _LEVELS.index(known) >= _LEVELS.index(values.level)


def _print(lines: Iterable[Line], out: Output) -> None:
    told = ""
    for line in lines:
        at = out.paint(time.strftime("%H:%M:%S", time.localtime(line.time)), "dim")
        colour = _COLOURS.get(line.level)
        message = out.paint(line.message, colour) if colour else line.message
        where = out.paint(f"{line.node}: ", "cyan") if line.node else ""
        out.line(f"{at} {where}{message}")
        if line.traceback and line.traceback != told:  # a mistake in the code comes from every node alike
            told = line.traceback
            for text in line.traceback.rstrip().splitlines():
                out.line(out.paint(f"         {text}", "dim"))
