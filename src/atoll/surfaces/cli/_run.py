"""`atoll run` and `atoll resume`: one attempt of a run, watched.

Doesn't know how a run is carried out; `runtime` does.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from atoll.app import Project, read_project
from atoll.journal import FINISHED, RUNNING, STOPPED, Created, History, SqliteJournal, final_model
from atoll.runtime import Simulation, of_project
from atoll.surfaces.cli._home import open_journal
from atoll.surfaces.cli._output import Output
from atoll.surfaces.cli._prints import prints_go_to
from atoll.surfaces.cli._watching import Watching, watching
from atoll.surfaces.cli._words import number, span
from atoll.values import Config, ConfigError, NotFound, RunError

_NODES = 10


def run(values: Namespace, out: Output) -> int:
    """Simulate the app in a folder."""
    project = read_project(values.folder or ".")
    config = project.config.override(_settings(values.set))
    simulation = of_project(project, workers=values.workers, fail_fast=values.fail_fast)
    nodes = project.simulation.get("nodes", _NODES) if values.nodes is None else values.nodes
    seed = project.simulation.get("seed", 0) if values.seed is None else values.seed
    journal = open_journal()
    try:
        created = simulation.create(journal, config=config, nodes=nodes, seed=seed, name=values.name or "")
        return _attempt(journal, simulation, created, values, out)
    finally:
        journal.close()


def resume(values: Namespace, out: Output) -> int:
    """Go on with a run: its project, config, nodes and seed as they were."""
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
        simulation = of_project(_project_of(created), workers=values.workers, fail_fast=values.fail_fast)
        if simulation.app["digest"] != created.app["digest"]:
            out.note(
                "note: the app's code has changed since this run began; rounds from here on use what it is now"
            )
        return _attempt(journal, simulation, created, values, out)
    finally:
        journal.close()


def _project_of(created: Created) -> Project:
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
    if not folder.is_dir():
        raise NotFound(
            "project.gone", f"the app of {created.name} was in {folder}, which is gone", "put it back there"
        )
    simulation = {**settings, **({"data": app["data"]} if app["data"] else {})}
    return Project(folder, app["name"], app["server"], app["client"], Config(created.config), simulation)


def _settings(pairs: list[str]) -> dict[str, str]:
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
            with watch, prints_go_to(journal, created.id, watch.printed):
                history = simulation.run(journal, created.id, watch=watch)
    except Exception as error:
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
    out.document("atoll.run/1", _document(journal, created, history, watch))
    if not values.quiet:
        _conclude(created, history, watch, out)
    return 4 if history.status == STOPPED else 0


def _conclude(created: Created, history: History, watch: Watching, out: Output) -> None:
    rounds = history.rounds()
    if history.status == STOPPED:
        out.line(
            out.paint("stopped", "yellow", "bold") + f" after round {rounds[-1]['round'] if rounds else 0}"
        )
        out.line(f"  go on with   atoll resume {created.name}")
        return
    last = {n: v for n, v in (rounds[-1] if rounds else {}).items() if n not in ("round", "seconds")}
    told = "  ".join(f"{n} {number(v)}" for n, v in last.items())
    out.line(out.paint("finished", "green", "bold") + f" in {span(watch.elapsed)}  {told}".rstrip())
    out.line(f"  the model    atoll pull {created.name} -o model.safetensors")
    out.line(f"  more         atoll show {created.name}")


def _document(journal: SqliteJournal, created: Created, history: History, watch: Watching) -> dict[str, Any]:
    rounds = history.rounds()
    last = {n: v for n, v in (rounds[-1] if rounds else {}).items() if n not in ("round", "seconds")}
    timings = {
        "total": watch.elapsed,
        "first_round": watch.first_round,
        "rounds": [r["seconds"] for r in rounds],
    }
    return {
        "run": created.id, "name": created.name, "status": history.status, "rounds": rounds, "metrics": last,
        "timings": timings, "model": model_files(journal, created.id), "failures": watch.failures,
        "nodes": len(created.nodes), "seed": created.seed, "config": created.config,
    }  # fmt: skip


def model_files(journal: SqliteJournal, run: str) -> dict[str, dict[str, Any]]:
    """Where a run's model is, by name: its object, and the path when that is a file of its own."""
    keys: Mapping[str, str] = final_model(event for _, event in journal.events(run))
    found = {}
    for name, key in keys.items():
        path = journal.home / "runs" / run / f"{key}.safetensors"
        found[name] = {"object": key, "path": str(path) if path.exists() else None}
    return found
