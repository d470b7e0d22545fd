"""`atoll show`: one run: what it was asked, what came of it, how to go on.

Doesn't know how it ran; it reads the journal.
"""

from __future__ import annotations

import platform
import time
from argparse import Namespace
from collections import Counter
from typing import Any

from atoll.journal import (
    FAILED,
    FINISHED,
    RUNNING,
    Created,
    Failed,
    History,
    SqliteJournal,
    Summary,
    failures_of,
)
from atoll.surfaces.cli._list import as_document
from atoll.surfaces.cli._output import STATUS_COLOURS, Output
from atoll.surfaces.cli._runs import Runs, model_files, open_runs, waiting
from atoll.surfaces.cli._words import age, count, flat, number, size, span

_ROUNDS = 20  # shown at most, the last ones
_COLUMNS = 8
_VIRTUAL = {"virtual_seconds": "VIRTUAL", "virtual_time": "CLOCK"}
_TIMES = {"round", "seconds", *_VIRTUAL}


def show(values: Namespace, out: Output) -> int:
    """Show a run."""
    journal = open_runs(values)
    try:
        summary = journal.find(values.run)
        history = History.of(journal, summary.id, models=isinstance(journal, SqliteJournal))
        why = waiting(journal, summary.id)
        events = [event for _, event in journal.events(summary.id)]
        created, failures = events[0], [f for f in failures_of(events) if f.failure != "late"]
        assert isinstance(created, Created)
        if out.as_json:
            out.document(
                "atoll.show/1", {**_document(journal, summary, created, history, failures), "waiting": why}
            )
            return 0
        _head(summary, created, out)
        if why:
            out.line(f"  {out.paint('waiting', 'yellow')}   {why}")
        _rounds(history.rounds(), out)
        _failures(failures, out)
        _ending(summary, out)
        has_model = _model(history, journal, summary, out)
        _onward(summary, has_model, out)
        return 0
    finally:
        journal.close()


def _document(
    journal: Runs, summary: Summary, created: Created, history: History, failures: list[Failed]
) -> dict[str, Any]:
    counted = Counter((f.action, f.failure, f.message) for f in failures)
    return {
        **as_document(summary), "reason": summary.reason, "seed": created.seed, "config": created.config, "nodes": created.nodes,
        "settings": created.settings, "project": created.app, "versions": created.versions, "rounds": history.rounds(),
        "planned": summary.rounds, "model": model_files(journal, summary.id),
        "failures": [{"action": a, "kind": k, "message": m, "times": n} for (a, k, m), n in counted.most_common()],
    }  # fmt: skip


def _head(summary: Summary, created: Created, out: Output) -> None:
    rounds = f"round {summary.round} of {summary.rounds}" if summary.rounds else "no round yet"
    status = out.paint(summary.status, STATUS_COLOURS.get(summary.status, "cyan"), "bold")
    out.line(f"{out.paint(summary.name, 'bold')}  {out.paint(summary.id, 'dim')}  {status}, {rounds}")
    attempts = f", {count(summary.attempts, 'attempt')}" if summary.attempts > 1 else ""
    began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(summary.created))
    out.line(f"  began     {began} ({age(summary.created)}), {span(summary.seconds)} in rounds{attempts}")
    if created.app.get("project"):
        out.line(f"  app       {created.app['project']}")
    out.line(f"  nodes     {len(created.nodes)}, seed {created.seed}")
    out.line(
        f"  config    {'  '.join(f'{k}={number(v)}' for k, v in flat(created.config).items()) or 'none'}"
    )
    out.line(f"  versions  {'  '.join(f'{n} {v}' for n, v in created.versions.items())}, {platform.system()}")


def _rounds(rounds: list[dict[str, Any]], out: Output) -> None:
    if not rounds:
        return
    out.line()
    names = list(dict.fromkeys(n for r in rounds for n in r if n not in _TIMES))[:_COLUMNS]
    virtual = [n for n in _VIRTUAL if any(n in r for r in rounds)]
    head = ("ROUND", *(n.upper() for n in names), *(_VIRTUAL[n] for n in virtual), "TIME")
    rows = [
        (
            str(r["round"]),
            *(number(r[n]) if n in r else "" for n in names),
            *(span(r[n]) if n in r else "" for n in virtual),
            span(r["seconds"]),
        )
        for r in rounds[-_ROUNDS:]
    ]
    out.table(head, rows, right=" ".join(head))
    if len(rounds) > _ROUNDS:
        out.line(
            out.paint(f"the last {_ROUNDS} of {len(rounds)}; all of them: atoll pull RUN --metrics", "dim")
        )


def _failures(failures: list[Failed], out: Output) -> None:
    if not failures:
        return
    out.line()
    out.line(out.paint(f"{count(len(failures), 'failed reply').replace('replys', 'replies')}", "red"))
    for (action, kind, message), times in Counter(
        (f.action, f.failure, f.message) for f in failures
    ).most_common(5):
        nodes = list(
            dict.fromkeys(
                f.node for f in failures if (f.action, f.failure, f.message) == (action, kind, message)
            )
        )
        where = nodes[0] if len(nodes) == 1 else f"{nodes[0]} and {count(len(nodes) - 1, 'other')}"
        out.line(
            f"  {times} x {action} {kind}: {message.splitlines()[0] if message else ''}  {out.paint(f'({where})', 'dim')}"
        )
    traced = next((f for f in failures if f.traceback), None)
    if traced is not None:
        out.line(out.paint(f"  the first of them, {traced.node} in round {traced.round}:", "dim"))
        _indented(traced.traceback, out)


def _ending(summary: Summary, out: Output) -> None:
    if summary.status != FAILED or not summary.reason:
        return
    out.line()
    out.line(out.paint("it failed: ", "red", "bold") + summary.reason.get("message", ""))
    if summary.reason.get("mend"):
        out.line(f"  mend: {summary.reason['mend']}")
    _indented(summary.reason.get("traceback", ""), out)


def _indented(text: str, out: Output) -> None:
    for line in text.rstrip().splitlines():
        out.line(out.paint(f"    {line}", "dim"))


def _model(history: History, runs: Runs, summary: Summary, out: Output) -> bool:
    """Where the model is; whether there is one."""
    files = model_files(runs, summary.id)
    if not files:
        return False
    out.line()
    for name, found in files.items():
        arrays = history.models.get(name)
        place = found["path"] or (
            "in the journal" if isinstance(runs, SqliteJournal) else "at the coordinator"
        )
        what = f"{count(len(arrays), 'array')}, {size(arrays.nbytes)}, " if arrays is not None else ""
        out.line(f"{out.paint(name, 'bold')}: {what}{place}")
    return True


def _onward(summary: Summary, has_model: bool, out: Output) -> None:
    out.line()
    if summary.status == RUNNING:
        out.line(f"  atoll log {summary.name} --follow{out.on}")
        out.line(f"  atoll stop {summary.name}{out.on}")
        return
    again = "rerun" if summary.status == FINISHED else "resume"
    out.line(f"  atoll {again} {summary.name}{out.on}")
    if has_model:
        out.line(f"  atoll pull {summary.name}{out.on} -o model.safetensors")
    if summary.round:
        out.line(f"  atoll pull {summary.name}{out.on} --metrics -o metrics.csv")
