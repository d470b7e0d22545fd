"""`atoll pull`: a run's model or metrics as a file of your own.

Doesn't know what the model is; it is arrays with names.
"""

from __future__ import annotations

import io
from argparse import Namespace
from pathlib import Path
from typing import Any

import msgspec

from atoll.journal import History, SqliteJournal
from atoll.surfaces.cli._output import Output
from atoll.surfaces.cli._runs import Runs, created_of, open_runs
from atoll.surfaces.cli._words import count, size
from atoll.values import ConfigError, NotFound, suggestion

_COLUMNS = ("run", "round", "node", "phase", "metric", "value", "time")


def pull(values: Namespace, out: Output) -> int:
    """Write a run's model, or its metrics, to a file."""
    journal = open_runs(values)
    try:
        if values.app:
            return _app(journal, values, out)
        history = History.of(journal, journal.find(values.run).id, models=not values.metrics)
        code = (_metrics if values.metrics else _model)(history, values, out)
        if not isinstance(journal, SqliteJournal):
            journal.forget()
        return code
    finally:
        journal.close()


def _model(history: History, values: Namespace, out: Output) -> int:
    name = values.state or ("model" if "model" in history.models else next(iter(history.models), "model"))
    if name not in history.models:
        mend = (
            suggestion(name, history.models, what="states")
            if history.models
            else f"see `atoll show {history.name}`"
        )
        raise NotFound("model.none", f"{history.name} has no `{name}` to pull", mend)
    if values.output == "-":
        raise ConfigError(
            "cli.usage", "a model is not text: it can't be written to stdout", "-o model.safetensors"
        )
    path = _path(values.output, f"{history.name}.safetensors")
    arrays = history.models[name]
    _write(path, lambda: arrays.save(path))
    _told(history, path, f"{count(len(arrays), 'array')}, {size(arrays.nbytes)}", out)
    others = [n for n in history.models if n != name]
    if others:
        out.line(out.paint(f"  also there: {', '.join(others)} (--state NAME)", "dim"))
    return 0


def _metrics(history: History, values: Namespace, out: Output) -> int:
    rows = [{c: getattr(r, c) for c in _COLUMNS} for r in history]
    if values.output in (None, "-"):
        out.document("atoll.metrics/1", {"run": history.run, "name": history.name, "rows": rows})
        out.line(_csv(rows).rstrip())
        return 0
    path = _path(values.output, f"{history.name}.csv")
    if path.suffix.lower() not in (".csv", ".json"):
        raise ConfigError(
            "cli.usage", f"metrics are written as .csv or .json, not as `{path.name}`", "-o metrics.csv"
        )
    body = _csv(rows).encode() if path.suffix.lower() == ".csv" else msgspec.json.encode(rows)
    _write(path, lambda: path.write_bytes(body))
    _told(history, path, f"{count(len(rows), 'row')}", out)
    return 0


def _app(runs: Runs, values: Namespace, out: Output) -> int:
    """The app as it was when the run began, as one file: `atoll new --from` takes it."""
    from atoll.surfaces._apps import body_of

    if values.metrics or values.state:
        raise ConfigError("cli.usage", "--app is pulled alone", "leave the other options out")
    summary = runs.find(values.run)
    body = body_of(runs, created_of(runs, summary.id))
    path = _path(values.output, f"{summary.name}.bundle")
    _write(path, lambda: path.write_bytes(body))
    content = {"run": summary.id, "name": summary.name, "status": summary.status, "path": str(path.resolve()), "bytes": len(body)}  # fmt: skip
    out.document("atoll.pull/1", content)
    out.line(f"{path}: the app of {summary.name}, {size(len(body))}")
    return 0


def _csv(rows: list[dict[str, Any]]) -> str:
    import csv

    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _path(asked: str | None, name: str) -> Path:
    path = Path(asked or name).expanduser()
    return path / name if path.is_dir() else path


def _write(path: Path, write: Any) -> None:
    try:
        write()
    except OSError as error:
        raise ConfigError(
            "pull.unwritable", f"{path} can't be written: {error.strerror or error}", "-o another file"
        ) from error


def _told(history: History, path: Path, what: str, out: Output) -> None:
    content = {"run": history.run, "name": history.name, "status": history.status, "path": str(path.resolve()),
               "bytes": path.stat().st_size}  # fmt: skip
    out.document("atoll.pull/1", content)
    unfinished = "" if history.status == "finished" else f" of the last committed round ({history.status})"
    out.line(f"{path}: {what}{unfinished}")
