"""`atoll ls`: the runs, newest first.

Doesn't know what a run did beyond its summary.
"""

from __future__ import annotations

from argparse import Namespace

from atoll.journal import Summary
from atoll.surfaces.cli._output import STATUS_COLOURS, Output
from atoll.surfaces.cli._runs import open_runs
from atoll.surfaces.cli._words import age, number

_METRICS = 3  # of the last round, shown in a line


def ls(values: Namespace, out: Output) -> int:
    """List the runs."""
    opened = open_runs(values)
    try:
        runs = opened.runs()
    finally:
        opened.close()
    shown = runs if values.limit is None else runs[: max(0, values.limit)]
    out.document("atoll.runs/1", {"runs": [as_document(s) for s in shown]})
    if not runs:
        out.line(f"no runs yet: `atoll run{out.on}` starts one in an app's folder, `atoll new` makes an app")
        return 0
    out.table(
        ("ID", "NAME", "STATUS", "ROUND", "NODES", "METRICS", "AGE"),
        [_row(s, out) for s in shown],
        right="ROUND NODES",
    )
    if len(shown) < len(runs):
        out.line(out.paint(f"... and {len(runs) - len(shown)} more", "dim"))
    return 0


def as_document(s: Summary) -> dict[str, object]:
    """A summary for programs."""
    return {
        "run": s.id, "name": s.name, "app": s.app, "status": s.status, "round": s.round, "rounds": s.rounds, "nodes": s.nodes,
        "metrics": s.metrics, "created": s.created, "updated": s.updated, "seconds": s.seconds, "attempts": s.attempts,
        "reason": {k: v for k, v in s.reason.items() if k != "traceback"},
    }  # fmt: skip


def _row(s: Summary, out: Output) -> tuple[str, ...]:
    status = out.paint(s.status, STATUS_COLOURS.get(s.status, "cyan"))
    chosen = [m for m in s.metrics if not m.startswith("train_")] + [
        m for m in s.metrics if m.startswith("train_")
    ]
    metrics = "  ".join(f"{n} {number(s.metrics[n])}" for n in chosen[:_METRICS])
    rounds = f"{s.round}/{s.rounds}" if s.rounds else "-"
    return s.id[:6], s.name, status, rounds, str(s.nodes), metrics, age(s.updated)
