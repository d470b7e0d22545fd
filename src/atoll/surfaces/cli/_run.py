"""`atoll run` and `atoll resume`: one attempt of a run, watched.

Doesn't know how a run is carried out; `runtime` does.
"""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from pathlib import Path

from atoll.app import Project, read_project
from atoll.journal import FINISHED, RUNNING, STOPPED, Created, SqliteJournal
from atoll.runtime import Simulation, of_project, prints_logged
from atoll.surfaces._apps import folder_of, is_unpacked, keep, packed, repeating
from atoll.surfaces._places import chosen
from atoll.surfaces.cli._clock import clocked
from atoll.surfaces.cli._home import open_journal
from atoll.surfaces.cli._outcome import conclude, document
from atoll.surfaces.cli._output import Output
from atoll.surfaces.cli._watching import watching
from atoll.values import Config, ConfigError, NotFound, RunError

_NODES = 10


def run(values: Namespace, out: Output) -> int:
    """Simulate the app in a folder, or run it on a federation."""
    place = chosen(values.on)
    if place is not None:
        from atoll.surfaces.cli._run_on import run_on

        return run_on(place, values, out)
    refuse(values, ("detach", "check", "server"), "is for a run on a federation", "say which: --on NAME")
    project = clocked(read_project(values.folder or "."), values.clock)
    config = project.config.override(settings_of(values.set))
    nodes = project.simulation.get("nodes", _NODES) if values.nodes is None else values.nodes
    seed = project.simulation.get("seed", 0) if values.seed is None else values.seed
    return simulated(project, config, nodes, seed, values, out)


def simulated(
    project: Project,
    config: Config,
    nodes: int,
    seed: int,
    values: Namespace,
    out: Output,
    *,
    again: Created | None = None,
) -> int:
    """Begin a simulation of a project, whose bundle is kept with the run, and watch it. `again`: the run that it repeats."""
    bundle, remembered = packed(project)
    simulation = of_project(project, workers=values.workers, fail_fast=values.fail_fast)
    simulation = replace(simulation, app={**simulation.app, **remembered, **repeating(again)})
    journal = open_journal()
    try:
        created = simulation.create(journal, config=config, nodes=nodes, seed=seed, name=values.name or "")
        if bundle is not None:
            keep(journal, created.id, bundle)
        return _attempt(journal, simulation, created, values, out)
    finally:
        journal.close()


def resume(values: Namespace, out: Output) -> int:
    """Go on with a run: its project, config, nodes and seed as they were."""
    place = chosen(values.on)
    if place is not None:
        from atoll.surfaces.cli._run_on import resume_on

        return resume_on(place, values, out)
    refuse(values, ("detach",), "is for a run on a federation", "say which: --on NAME")
    journal = open_journal()
    try:
        summary = journal.find(values.run)
        if summary.status == FINISHED:
            mend = f"take its model with `atoll pull {summary.name}`, or start a new one with `atoll run`"
            raise ConfigError(
                "run.finished", f"{summary.name} is finished; there is nothing to go on with", mend
            )
        if summary.status == RUNNING:
            raise RunError(
                "run.busy", f"{summary.name} is running", f"watch it with `atoll log {summary.name} --follow`"
            )
        created = next(event for _, event in journal.events(summary.id))
        assert isinstance(created, Created)
        simulation = of_project(
            _project_of(journal, created), workers=values.workers, fail_fast=values.fail_fast
        )
        if simulation.app["digest"] != created.app["digest"]:
            out.note(
                "note: the app's code has changed since this run began; rounds from here on use what it is now"
            )
        return _attempt(journal, simulation, created, values, out)
    finally:
        journal.close()


def _project_of(journal: SqliteJournal, created: Created) -> Project:
    """The project that a run was started from. Raises `ConfigError`, `NotFound`."""
    app, settings = created.app, created.settings
    if not app.get("project"):
        mend = "run the script again; runs that are to be resumed are started with `atoll run`"
        raise ConfigError(
            "run.of-script",
            f"{created.name} was started from a script, which `atoll resume` can't start",
            mend,
        )
    folder = Path(app["project"])
    if not folder.is_dir() and is_unpacked(
        folder
    ):  # of a run that was run again: there is nothing to mend in it
        folder = folder_of(journal, created)
    if not folder.is_dir():
        raise NotFound(
            "project.gone", f"the app of {created.name} was in {folder}, which is gone", "put it back there"
        )
    simulation = {**settings, **({"data": app["data"]} if app["data"] else {})}
    return Project(folder, app["name"], app["server"], app["client"], Config(created.config), simulation)


def refuse(values: Namespace, options: tuple[str, ...], why: str, mend: str) -> None:
    """Refuse options that make no sense here. Raises `ConfigError`."""
    for name in options:
        if getattr(values, name) not in (None, False, []):
            raise ConfigError("cli.usage", f"--{name.replace('_', '-')} {why}", mend)


def settings_of(pairs: list[str]) -> dict[str, str]:
    """`KEY=VALUE` texts. Raises `ConfigError`."""
    for pair in pairs:
        if "=" not in pair:
            raise ConfigError("cli.usage", f"--set {pair}: there is no value", f"--set {pair}=VALUE")
    return {key.strip(): value for key, _, value in (pair.partition("=") for pair in pairs)}


def _attempt(
    journal: SqliteJournal, simulation: Simulation, created: Created, values: Namespace, out: Output
) -> int:
    watch = watching(created, out, quiet=values.quiet)
    try:
        if values.fail_fast:
            history = simulation.run(journal, created.id, watch=watch)
        else:
            with watch, prints_logged(journal, created.id, show=watch.printed, mend="atoll run --fail-fast"):
                history = simulation.run(journal, created.id, watch=watch)
    except Exception as error:  # what the apps raise is the user's own
        code = out.error(error, exit_code=1, run=created.id, name=created.name)
        out.note(
            f"{created.name} failed; `atoll show {created.name}` tells more, `atoll resume {created.name}` goes on"
        )
        return code
    except KeyboardInterrupt:
        out.note(f"interrupted; go on with `atoll resume {created.name}`")
        out.document(
            "atoll.error/1",
            {"code": "run.interrupted", "message": "interrupted", "run": created.id, "exit_code": 130},
        )
        return 130
    out.document("atoll.run/1", document(journal, created, history, watch))
    if not values.quiet:
        conclude(created, history, watch, out)
    return 4 if history.status == STOPPED else 0
