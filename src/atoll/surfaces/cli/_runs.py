"""Where a command's runs are: the journal of this machine, or a federation.

Doesn't know what is done with them.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from atoll.journal import Created, SqliteJournal, final_model
from atoll.surfaces._places import LOCAL, SIMULATION, Places, chosen
from atoll.surfaces.cli._home import home, open_journal

if TYPE_CHECKING:
    from atoll.surfaces._faraway import Faraway

Runs: TypeAlias = "SqliteJournal | Faraway"


def open_runs(values: Namespace) -> Runs:
    """The runs that a command is about. Raises `JournalError`, `NotFound`, and what `wire` raises."""
    place = chosen(values.on)
    if place is None:
        return open_journal()
    from atoll.surfaces._faraway import Faraway

    return Faraway(place, objects=Path(home()) / "pulled")


class Located(NamedTuple):
    """A reference to a run: the runs among which it is meant, its name there, and the context that was named."""

    runs: Runs
    run: str
    on: str


def located(reference: str, on: str | None) -> Located:
    """Where `CONTEXT:RUN` is, or RUN where a command goes. Raises as `open_runs`."""
    name, _, rest = reference.partition(":")
    known = {SIMULATION, LOCAL, *Places.load().contexts}
    if rest and name.partition("/")[0] in known:
        return Located(open_runs(Namespace(on=name)), rest, name)
    return Located(open_runs(Namespace(on=on)), reference, on or "")


def created_of(runs: Runs, run: str) -> Created:
    """How a run was created."""
    created = next(event for _, event in runs.events(run))
    assert isinstance(created, Created)
    return created


def waiting(runs: Runs, run: str) -> str:
    """Why a run does not go on; nothing when it does."""
    return "" if isinstance(runs, SqliteJournal) else runs.waiting(run)


def model_files(runs: Runs, run: str) -> dict[str, dict[str, Any]]:
    """Where a run's model is, by name: its object, and the path when that is a file of its own."""
    keys: Mapping[str, str] = final_model(event for _, event in runs.events(run))
    found = {}
    for name, key in keys.items():
        path = runs.home / "runs" / run / f"{key}.safetensors" if isinstance(runs, SqliteJournal) else None
        found[name] = {"object": key, "path": str(path) if path is not None and path.exists() else None}
    return found
