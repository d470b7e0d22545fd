"""`atoll rm`: delete runs and all that they kept.

Doesn't touch a run that somebody runs.
"""

from __future__ import annotations

from argparse import Namespace

from atoll.journal import RUNNING
from atoll.surfaces.cli._output import Output
from atoll.surfaces.cli._runs import open_runs
from atoll.surfaces.cli._words import count
from atoll.values import ConfigError, RunError


def rm(values: Namespace, out: Output) -> int:
    """Delete runs, after asking."""
    journal = open_runs(values)
    try:
        runs = list({s.id: s for s in map(journal.find, values.run)}.values())
        busy = next((s for s in runs if s.status == RUNNING), None)
        if busy is not None:
            raise RunError("run.busy", f"{busy.name} is running", f"atoll stop {busy.name}{out.on}")
        names = ", ".join(s.name for s in runs)
        if not values.yes and not out.interactive():
            raise ConfigError(
                "rm.unconfirmed", f"nobody is there to be asked whether to delete {names}", "say --yes"
            )
        if not values.yes and not out.ask(
            f"delete {count(len(runs), 'run')} ({names}) with model and metrics?"
        ):
            out.line("nothing was deleted")
            return 0
        for summary in runs:
            journal.remove(summary.id)
        out.document("atoll.rm/1", {"deleted": [{"run": s.id, "name": s.name} for s in runs]})
        out.line(f"deleted {names}")
        return 0
    finally:
        journal.close()
