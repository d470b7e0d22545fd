"""`atoll rerun`: a run again, with the app as it was then and not as it is in its folder now.

Doesn't know how a run is carried out. Without changes, and with the same packages on the same kind of processor, the model
is the same to the bit.
"""

from __future__ import annotations

import contextlib
import os
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from atoll.app import Project, read_project
from atoll.journal import Created
from atoll.runtime import versions
from atoll.surfaces._apps import folder_of
from atoll.surfaces._faraway import Faraway
from atoll.surfaces._places import Places
from atoll.surfaces.cli._output import Output
from atoll.surfaces.cli._run import refuse, settings_of, simulated
from atoll.surfaces.cli._run_on import rerun_on
from atoll.surfaces.cli._runs import Located, Runs, created_of, located
from atoll.values import AtollError, Config, NotFound

_SETTINGS = ("threads", "save", "partition", "clock")  # of a run, that a project can set as well


def rerun(values: Namespace, out: Output) -> int:
    """Run a run again."""
    found, created = _found(values)
    try:
        project = _project(found.runs, created)
    finally:
        found.runs.close()
    there = found.runs.place if isinstance(found.runs, Faraway) else None
    target = there if values.on is None else Places.load().get(values.on)
    name = found.on if values.on is None else values.on
    out.on = f" --on {name}" if name else ""
    if not values.quiet or created.name not in values.run:
        out.note(out.paint(f"{created.name} again, {created.id}", "dim", stream=sys.stderr))
    config = Config(created.config).override(settings_of(values.set))
    seed = created.seed if values.seed is None else values.seed
    if target is not None:
        refuse(values, ("nodes",), "is for a simulation: a federation has its own", "leave it out")
        nodes = created.nodes if there == target else []
        return rerun_on(target, project, config, seed, values, out, again=created, nodes=nodes)
    refuse(values, ("detach",), "is for a run on a federation", "say which: --on NAME")
    _tell_changes(created, out)
    count = len(created.nodes) if values.nodes is None else values.nodes
    with _untouched():
        return simulated(project, config, count, seed, values, out, again=created)


@contextlib.contextmanager
def _untouched() -> Iterator[None]:
    """The app's folder stays as it is: neither this process nor its workers put compiled code there."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


def _found(values: Namespace) -> tuple[Located, Created]:
    """The run, among those of --on, or else among those that other commands mean: there by its whole name. Raises `NotFound`."""
    if values.on is None:
        return _opened(values.run, None)
    try:
        first = _opened(values.run, values.on)
    except AtollError as error:
        if not (isinstance(error, NotFound) or getattr(error, "status", 0) == 404):
            raise
        return _opened(values.run, None)
    if first[0].run in (first[1].name, first[1].id) or first[0].run.startswith("@"):
        return first
    with contextlib.suppress(NotFound):  # where --on is, it is but the beginning of some id
        other = _opened(values.run, None)
        if other[1].name == other[0].run:
            first[0].runs.close()
            return other
        other[0].runs.close()
    return first


def _opened(reference: str, on: str | None) -> tuple[Located, Created]:
    found = located(reference, on)
    try:
        return found, created_of(found.runs, found.runs.find(found.run).id)
    except BaseException:  # it is raised on; nobody else closes what was opened
        found.runs.close()
        raise


def _project(runs: Runs, created: Created) -> Project:
    """The app as it was, with the settings of the run. Raises what `folder_of` raises."""
    project = read_project(folder_of(runs, created))
    kept: Mapping[str, Any] = {
        k: created.settings[k] for k in _SETTINGS if created.settings.get(k) is not None
    }
    if "partition" not in kept and created.app.get("partition"):
        kept = {**kept, "partition": created.app["partition"]}
    data = {"data": created.app["data"]} if created.app.get("data") else {}
    name = str(created.app.get("name") or project.name)
    return replace(project, name=name, simulation={**project.simulation, **kept, **data})


def _tell_changes(created: Created, out: Output) -> None:
    """What may make the last digits differ."""
    now = {n: _version(n) for n in created.versions}
    changed = [f"{n} was {v}, here is {now[n] or 'none'}" for n, v in created.versions.items() if now[n] != v]
    if changed:
        out.note(f"note: {', '.join(changed)}: the model may differ in its last digits")


def _version(name: str) -> str:
    """Of a package, loaded or not."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return versions().get(name) or version({"sklearn": "scikit-learn"}.get(name, name))
    except PackageNotFoundError:
        return ""
