"""`--clock` of `atoll run`: settings of a project's virtual clock, changed for one run.

Doesn't know what a clock makes of them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from atoll.app import Project
from atoll.values import ConfigError

_OFF = "off"


def clocked(project: Project, changes: Sequence[str]) -> Project:
    """The project with its clock changed: `KEY=VALUE`, `KEY.KEY=VALUE`, or `off`. Raises `ConfigError`."""
    if not changes:
        return project
    simulation = dict(project.simulation)
    clock = simulation.pop("clock", None)
    settings: dict[str, Any] = _copied(clock) if isinstance(clock, Mapping) else {}
    if list(changes) == [_OFF]:
        return replace(project, simulation=simulation)
    for change in changes:
        path, equals, text = change.partition("=")
        if not equals or not path.strip():
            mend = "--clock compute=2.5, --clock trace=fleet.csv, or --clock off alone"
            raise ConfigError("cli.usage", f"--clock {change}: there is no value", mend)
        _assign(settings, [key.strip() for key in path.split(".")], text.strip())
    return replace(project, simulation={**simulation, "clock": settings})


def _copied(table: Mapping[str, Any]) -> dict[str, Any]:
    return {k: _copied(v) if isinstance(v, Mapping) else v for k, v in table.items()}


def _assign(table: dict[str, Any], path: list[str], text: str) -> None:
    *outer, key = path
    for step in outer:
        inner = table.get(step)
        if not isinstance(inner, dict):
            inner = table[step] = {}  # a number before
        table = inner
    table[key] = str(Path(text).absolute()) if path == ["trace"] else _read(text)


def _read(text: str) -> Any:
    """A text as the TOML value that it is, else as itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text
