"""`atoll.connect`: a federation, from a notebook or a script.

Doesn't know how a run is carried out; it goes on when this process is gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from atoll.app import Watch, read_project
from atoll.journal import FAILED, History
from atoll.runtime import Progress
from atoll.surfaces._faraway import Faraway, summary_of
from atoll.surfaces._lines import Line, lines_of
from atoll.surfaces._places import Place, needed
from atoll.surfaces._retell import Retelling
from atoll.values import RunError


def connect(name: str | None = None) -> Connection:
    """A federation by the name of its context (`atoll context ls`; `local` is what `atoll up` started), or the one in use.

    `NAME/FEDERATION` is another federation of the same coordinator. Raises `NotFound`, `ConfigError`, and when it is
    used `AtollError` (`wire.unreachable`) if nobody answers.
    """
    return Connection(needed(name))


class Connection:
    """A federation that runs can be begun on. Also a context manager, which closes it."""

    def __init__(self, place: Place) -> None:
        self.federation = place.federation
        self._there = Faraway(place)

    def run(
        self,
        folder: str | Path = ".",
        *,
        config: Mapping[str, Any] | None = None,
        seed: int | None = None,
        name: str = "",
    ) -> RemoteRun:
        """Ship the app in a folder and begin a run of it; returns at once.

        `config` changes values of `[tool.atoll.config]`. Raises `ConfigError` before anything is sent.
        """
        project = read_project(folder)
        settings = project.config.override(dict(config or {}))
        chosen = project.simulation.get("seed", 0) if seed is None else seed
        return RemoteRun(
            self._there, summary_of(self._there.begin(project, settings, seed=chosen, name=name)).id
        )

    def runs(self) -> list[RemoteRun]:
        """All runs of the federation, newest first."""
        return [RemoteRun(self._there, summary.id) for summary in self._there.runs()]

    def find(self, reference: str) -> RemoteRun:
        """The run that `@latest`, a name, an id or the beginning of one means. Raises `AtollError` when there is none."""
        return RemoteRun(self._there, self._there.find(reference).id)

    def close(self) -> None:
        """Let go; models that were not saved are forgotten."""
        self._there.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Connection({self.federation} at {self._there.place.url})"


class RemoteRun:
    """A run on a federation: a handle, by which it is watched and ended."""

    def __init__(self, there: Faraway, run: str) -> None:
        self.id, self._there = run, there

    @property
    def name(self) -> str:
        """What it is called."""
        return self._there.find(self.id).name

    @property
    def status(self) -> str:
        """running, finished, failed, stopped or interrupted, now."""
        return self._there.find(self.id).status

    def wait(self, watch: Watch | None = None) -> History:
        """Wait for its end, printing its rounds (or telling `watch`); returns what came of it. ^C stops waiting, not the run.

        Raises `RunError` when it failed, with the traceback of the app as a note.
        """
        ended = Retelling().tell(self._there.follow(self.id), watch or Progress())
        if ended is not None and ended.status == FAILED:
            reason = ended.reason
            error = RunError(
                reason.get("code", ""), reason.get("message", "it failed"), reason.get("mend", "")
            )
            error.add_note(reason.get("traceback", ""))
            raise error
        return self.history()

    def logs(self, *, follow: bool = True) -> Iterator[Line]:
        """Its log, line by line: `time`, `level`, `round`, `node`, `message`, `traceback`; as it comes, until it ends."""
        events = self._there.follow(self.id) if follow else self._there.events(self.id)
        yield from lines_of(event for _, event in events)

    def history(self) -> History:
        """What it has reported so far, and its model."""
        return History.of(self._there, self.id)

    def stop(self) -> None:
        """Ask it to end; what it committed is kept. `wait()` returns when it has."""
        self._there.stop(self.id)

    def resume(self) -> None:
        """Let it go on after it was stopped or failed."""
        self._there.resume(self.id)

    def __repr__(self) -> str:
        return f"RemoteRun({self.id})"
