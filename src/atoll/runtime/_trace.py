"""Traces: what each node of a real fleet was measured to take, out of a JSON or CSV file.

Doesn't know what a clock makes of it. A node that a trace doesn't name takes a row by its number.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from atoll.runtime._draws import number
from atoll.runtime._windows import Windows, parse_windows
from atoll.values import ConfigError, NotFound, suggestion

NUMBERS = ("compute", "per_weight", "down", "up", "latency", "failure")
_KEYS = (*NUMBERS, "available", "repeat")
_MOST = 1 << 28  # bytes of a file


class Trace:
    """The rows of a trace file, by name or in turn."""

    def __init__(
        self, named: Mapping[str, Mapping[str, Any]], rows: Sequence[Mapping[str, Any]], path: Path
    ) -> None:
        self._named, self._rows, self._path = named, rows, path

    def row(self, node: str, place: int) -> tuple[dict[str, float], Windows | None]:
        """A node's numbers, and when it is there. Raises `ConfigError` (`clock.bad-trace`) when it has none."""
        if self._named:
            found = self._named.get(node)
            if found is None:
                mend = suggestion(node, self._named, what="nodes of the trace")
                raise ConfigError("clock.bad-trace", f"{self._path} has no row for `{node}`", mend)
            return _read(found, f"{self._path}, {node}")
        place %= len(self._rows)
        return _read(self._rows[place], f"{self._path}, row {place + 1}")


def read_trace(path: Path) -> tuple[Trace, str]:
    """A trace, and the digest of its file. Raises `NotFound` (`clock.no-trace`) and `ConfigError` (`clock.bad-trace`)."""
    try:
        body = path.read_bytes() if path.stat().st_size <= _MOST else None
    except OSError as error:
        raise NotFound(
            "clock.no-trace", f"the trace {path} can't be read: {error.strerror}", "see `trace` of the clock"
        ) from None
    if body is None:
        raise _bad(path, f"it has more than {_MOST:,} bytes")
    try:
        text = body.decode("utf-8-sig")
        found: Any = _of_csv(text, path) if path.suffix.lower() == ".csv" else msgspec.json.decode(text)
    except (UnicodeDecodeError, msgspec.DecodeError, csv.Error, RecursionError) as error:
        raise _bad(path, str(error)) from None
    return _checked(found, path), f"sha256:{hashlib.sha256(body).hexdigest()}"


def changed(path: Path) -> ConfigError:
    """A run's trace is another than it was."""
    message = f"the trace {path} isn't what it was when the run began"
    return ConfigError("clock.bad-trace", message, "put it back, or begin another run")


def _checked(found: Any, path: Path) -> Trace:
    nodes = found.get("nodes") if isinstance(found, dict) and len(found) == 1 else None
    rows = list(nodes.values()) if isinstance(nodes, dict) else nodes
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise _bad(path, 'it is no {"nodes": {"node-0": {"compute": 2.5}}}, nor has it a list of such rows')
    trace = Trace(nodes, (), path) if isinstance(nodes, dict) else Trace({}, rows, path)
    for place, name in enumerate(nodes if isinstance(nodes, dict) else map(str, range(len(rows)))):
        trace.row(name, place)
    return trace


def _read(row: Mapping[str, Any], where: str) -> tuple[dict[str, float], Windows | None]:
    for key in row:
        if key not in _KEYS:
            raise ConfigError(
                "clock.bad-trace", f"{where} has a `{key}`", suggestion(key, _KEYS, what="columns")
            )
    try:
        numbers = {k: number(row[k], k, size=k in ("down", "up")) for k in NUMBERS if row.get(k) is not None}
        spans = row.get("available")
        windows = None if spans is None else parse_windows(spans, row.get("repeat"), where)
    except ConfigError as error:
        raise ConfigError("clock.bad-trace", f"{where}: {error.message}", error.mend) from None
    for key, value in numbers.items():
        if value < 0 or (key in ("down", "up") and value == 0) or (key == "failure" and value > 1):
            raise ConfigError(
                "clock.bad-trace", f"{where}: {key} can't be {value:g}", "see the clock's settings"
            )
    return numbers, windows


def _of_csv(text: str, path: Path) -> dict[str, Any]:
    """The same as a JSON document; blank cells are left out."""
    reader = csv.DictReader(text.splitlines(), skipinitialspace=True, strict=True)
    rows: list[dict[str, Any]] = []
    names: list[str] = []
    for row in reader:
        if None in row or None in row.values():
            raise _bad(path, f"line {reader.line_num} has not as many cells as the first")
        cells = {key.strip(): cell.strip() for key, cell in row.items() if cell.strip()}
        names.append(cells.pop("node", ""))
        rows.append({key: _cell(key, cell) for key, cell in cells.items()})
    if "node" not in (reader.fieldnames or ()):
        return {"nodes": rows}
    if "" in names or len(set(names)) < len(names):
        raise _bad(path, "a node has no name in it, or two have the same")
    return {"nodes": dict(zip(names, rows, strict=True))}


def _cell(key: str, cell: str) -> Any:
    """What a cell says; windows are "0-28800 64800-86400"."""
    try:
        if key == "available":
            return [[float(v) for v in span.split("-")] for span in cell.split()]
        return float(cell)
    except ValueError:
        return cell  # refused, or a size in words


def _bad(path: Path, why: str) -> ConfigError:
    return ConfigError(
        "clock.bad-trace",
        f"the trace {path} can't be used: {why}",
        "compare it with the page on the virtual clock",
    )
