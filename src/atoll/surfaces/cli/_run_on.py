"""`atoll run --on NAME`: ship the app to a federation, and watch the run as if it were here.

Doesn't carry it out: the run goes on without whoever watches it.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from atoll.app import Project, read_project
from atoll.journal import FINISHED, RUNNING, STOPPED, Created, Event, Finished, History
from atoll.surfaces._apps import repeating
from atoll.surfaces._faraway import Faraway, summary_of
from atoll.surfaces._places import Place, beside
from atoll.surfaces._retell import Retelling
from atoll.surfaces.cli._home import home
from atoll.surfaces.cli._outcome import conclude, document
from atoll.surfaces.cli._output import Output
from atoll.surfaces.cli._run import refuse, settings_of
from atoll.surfaces.cli._watching import Watching, watching
from atoll.values import Config, ConfigError
from atoll.wire import Unreachable

_SIMULATED = ("workers", "fail_fast")


def run_on(place: Place, values: Namespace, out: Output) -> int:
    """Begin a run there, and watch it; or only look whether it could run."""
    refuse(
        values,
        ("nodes",),
        "is for a simulation: a federation has the nodes that it has",
        "leave it out, or --on simulation",
    )
    refuse(
        values,
        (*_SIMULATED, "clock"),
        "is for a simulation",
        "leave it out; --server here gives breakpoint() in the server app",
    )
    project = read_project(values.folder or ".")
    config = project.config.override(settings_of(values.set))
    seed = project.simulation.get("seed", 0) if values.seed is None else values.seed
    there = _open(place)
    try:
        if values.check:
            from atoll.surfaces.cli._check import tell

            return tell(there.check(project, config), project.name, out)
        where = values.server if values.server == "here" else "host"
        info = there.begin(project, config, seed=seed, name=values.name or "", where=where)
        run = summary_of(info).id
        if where == "here":
            return _serve_here(there, project, run, values, out)
        return _watched(there, Retelling(), run, values, out)
    finally:
        there.close()


def rerun_on(
    place: Place,
    project: Project,
    config: Config,
    seed: int,
    values: Namespace,
    out: Output,
    *,
    again: Created,
    nodes: Sequence[str],
) -> int:
    """Begin a run there as another one was begun, and watch it. `nodes`: which are asked; all when none is named."""
    refuse(values, _SIMULATED, "is for a simulation", "leave it out")
    there = _open(place)
    try:
        info = there.begin(
            project, config, seed=seed, name=values.name or "", nodes=nodes, remembered=repeating(again)
        )
        return _watched(there, Retelling(), summary_of(info).id, values, out)
    finally:
        there.close()


def resume_on(place: Place, values: Namespace, out: Output) -> int:
    """Go on with a run there, and watch what comes."""
    refuse(values, _SIMULATED, "is for a simulation", "leave it out")
    there = _open(place)
    try:
        summary = there.find(values.run)
        if summary.status == FINISHED:
            mend = f"take its model with `atoll pull {summary.name}{out.on}`, or start a new one with `atoll run{out.on}`"
            raise ConfigError(
                "run.finished", f"{summary.name} is finished; there is nothing to go on with", mend
            )
        before = Retelling().skip(there.events(summary.id))
        if there.info(summary.id).where == "here":
            there.resume(summary.id)
            assert before.created is not None
            return _serve_here(there, read_project(before.created.app["project"]), summary.id, values, out)
        if summary.status != RUNNING:
            there.resume(summary.id)
        return _watched(there, before, summary.id, values, out)
    finally:
        there.close()


def _open(place: Place) -> Faraway:
    return Faraway(place, objects=Path(home()) / "pulled")


def _watched(there: Faraway, story: Retelling, run: str, values: Namespace, out: Output) -> int:
    """Watch a run to its end, unless nobody wants to."""
    events = there.follow(run, story.number, quiet=_Waiting(there, run, out))
    created = story.created or _first(story, there.events(run))
    watch = watching(created, out, quiet=values.quiet)
    if values.detach:
        out.document("atoll.run/1", document(there, created, _history(there, run), watch))
        out.line(f"{created.name} runs on {there.place.federation} at {there.place.url}")
        _how_to_come_back(created, out.line, out)
        return 0
    if not values.quiet:
        out.note(out.paint(f"on {there.place.federation} at {there.place.url}", "dim"))
    try:
        with watch:
            ended = story.tell(events, watch)
    except KeyboardInterrupt:
        out.note(f"\n{created.name} goes on without you")
        _how_to_come_back(created, out.note, out)
        told = {
            "code": "run.detached",
            "message": "no longer watched; the run goes on",
            "run": created.id,
            "exit_code": 130,
        }
        out.document("atoll.error/1", {**told, "name": created.name})
        return 130
    return _concluded(there, created, ended, watch, values, out)


def _concluded(
    there: Faraway, created: Created, ended: Finished | None, watch: Watching, values: Namespace, out: Output
) -> int:
    if ended is not None and ended.status not in (FINISHED, STOPPED):
        out.failed(ended.reason, run=created.id, name=created.name)
        out.note(
            f"{created.name} failed; `atoll show {created.name}{out.on}` tells more, `atoll resume {created.name}{out.on}` goes on"
        )
        return 1
    history = _history(there, created.id)
    out.document("atoll.run/1", document(there, created, history, watch))
    if not values.quiet:
        conclude(created, history, watch, out)
    return 4 if history.status == STOPPED else 0


def _history(there: Faraway, run: str) -> History:
    return History.of(there, run, models=False)


def _first(story: Retelling, events: Iterator[tuple[int, Event]]) -> Created:
    """How the run was created; it is told again with the rest."""
    _, created = next(events)
    assert isinstance(created, Created)
    story.created = created
    return created


def _how_to_come_back(created: Created, say: Callable[[str], None], out: Output) -> None:
    say(f"  watch it     atoll log {created.name} --follow{out.on}")
    say(f"  end it       atoll stop {created.name}{out.on}")


class _Waiting:
    """Says once why nothing happens."""

    def __init__(self, there: Faraway, run: str, out: Output) -> None:
        self._there, self._run, self._out, self._told = there, run, out, ""

    def __call__(self) -> None:
        try:
            why = self._there.waiting(self._run)
        except Unreachable as error:
            why = error.message
        if why and why != self._told:
            self._out.note(f"waiting: {why}")
        self._told = why


def _serve_here(there: Faraway, project: Project, run: str, values: Namespace, out: Output) -> int:
    """The server app in this process; ^C and breakpoint() are its own."""
    from atoll.service.host import drive_here

    created = _first(Retelling(), there.events(run))
    watch = watching(created, out, quiet=values.quiet, live=False)
    try:
        drive_here(there.client, run, project.folder, watch, objects=beside(there.place))
    except KeyboardInterrupt:
        out.note(f"interrupted; go on with `atoll resume {created.name}{out.on}`")
        return 130
    except Exception as error:  # what the server app raises is the user's own
        return out.error(error, exit_code=1, run=created.id, name=created.name)
    ended = Retelling().skip(there.events(run)).ended
    return _concluded(there, created, ended, watch, values, out)
