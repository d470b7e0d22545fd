"""`atoll stop`: end a run that another process runs; what it committed is kept.

Doesn't end it itself: it asks the process, and waits for what the journal says.
"""

from __future__ import annotations

import os
import signal
from argparse import Namespace
from collections import deque

from atoll.journal import FINISHED, INTERRUPTED, RUNNING, SqliteJournal, Summary
from atoll.surfaces.cli._output import Output
from atoll.surfaces.cli._runs import Runs, open_runs
from atoll.values import ConfigError, RunError


def stop(values: Namespace, out: Output) -> int:
    """Stop a run, and return when it has ended."""
    journal = open_runs(values)
    try:
        summary = journal.find(values.run)
        if _is_over(journal, summary):
            raise RunError(
                "run.not-running",
                f"{summary.name} is not running: it is {summary.status}",
                "`atoll ls` shows what runs",
            )
        seen = deque((number for number, _ in journal.events(summary.id)), maxlen=1)
        _ask(journal, summary, kill=values.kill)
        if out.interactive():
            out.note(f"asked {summary.name} to stop; ^C stops waiting")
        for _ in journal.follow(summary.id, seen[0]):
            pass
        ended = journal.find(summary.id)
        out.document(
            "atoll.stop/1",
            {
                "run": ended.id,
                "name": ended.name,
                "status": ended.status,
                "round": ended.round,
                "rounds": ended.rounds,
            },
        )
        out.line(
            f"{ended.name}: {out.paint(ended.status, 'yellow')} after round {ended.round} of {ended.rounds}"
        )
        if ended.status != FINISHED:
            out.line(f"  go on with   atoll resume {ended.name}{out.on}")
        return 0
    finally:
        journal.close()


def _is_over(runs: Runs, summary: Summary) -> bool:
    if isinstance(runs, SqliteJournal):
        return summary.status != RUNNING or not summary.pid
    return summary.status not in (
        RUNNING,
        INTERRUPTED,
    )  # one whose server app is gone is begun again by itself


def _ask(runs: Runs, summary: Summary, *, kill: bool) -> None:
    if isinstance(runs, SqliteJournal):
        _signal(summary.pid, kill=kill)
    elif kill:
        mend = f"atoll stop {summary.name}: its host ends it after ten seconds, whatever it does"
        raise ConfigError("cli.usage", "--kill is for a simulation; this run is on a federation", mend)
    else:
        runs.stop(summary.id)


def _signal(pid: int, *, kill: bool) -> None:
    number = getattr(signal, "SIGKILL", signal.SIGTERM) if kill else signal.SIGINT
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # it has just ended
    except PermissionError as error:
        raise RunError(
            "run.of-another", f"process {pid} belongs to another user", "ask them, or become them"
        ) from error
