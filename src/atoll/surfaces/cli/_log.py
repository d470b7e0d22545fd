"""`atoll log`: what a run's journal tells, line by line, as it comes if wanted.

Doesn't know who wrote it.
"""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Iterable, Iterator

from atoll.journal import Event
from atoll.surfaces._lines import LEVELS, Line, lines_of
from atoll.surfaces.cli._output import Output
from atoll.surfaces.cli._runs import Runs, open_runs
from atoll.surfaces.cli._since import since

_COLOURS = {"debug": "dim", "warning": "yellow", "error": "red"}


def log(values: Namespace, out: Output) -> int:
    """Show a run's log."""
    earliest = since(values.since) if values.since is not None else 0.0
    runs = open_runs(values)
    try:
        summary = runs.find(values.run)
        numbered = _follow(runs, summary.id) if values.follow else runs.events(summary.id)
        wanted = (
            line for line in lines_of(event for _, event in numbered) if _passes(line, values, earliest)
        )
        if out.as_json:
            out.document(
                "atoll.log/1",
                {"run": summary.id, "name": summary.name, "lines": [line._asdict() for line in wanted]},
            )
            return 0
        _print(wanted, out)
        return 0
    finally:
        runs.close()


def _follow(runs: Runs, run: str) -> Iterator[tuple[int, Event]]:
    """All there is, then what comes: a run that was resumed has ended before, and goes on."""
    last = 0
    for last, event in list(runs.events(run)):
        yield last, event
    yield from runs.follow(run, last)


def _passes(line: Line, values: Namespace, earliest: float) -> bool:
    if values.node is not None and line.node != values.node:
        return False
    if values.round is not None and line.round != values.round:
        return False
    if line.time < earliest:
        return False
    known = line.level if line.level in LEVELS else "info"
    return values.level is None or LEVELS.index(known) >= LEVELS.index(values.level)


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
