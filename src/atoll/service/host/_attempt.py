"""One attempt of a run, driven over the wire: the program runs here, its clients wherever they are.

Doesn't know who started this process, or on whose machine it is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from atoll.app import Project, Record, ServerApp, Watch
from atoll.runtime import attempt, limited
from atoll.service.host._conversation import Conversation
from atoll.service.host._executor import WireExecutor
from atoll.service.host._journal import WireJournal
from atoll.service.host._objects import Objects
from atoll.service.host._packing import Packing
from atoll.store import DirectoryStore
from atoll.values import Config
from atoll.wire import Attend, Attended, Client, RunSpec, pull, push


@dataclass(slots=True)
class Attempt:
    """The right to write a run, and all that it takes to use it."""

    spec: RunSpec
    journal: WireJournal
    talk: Conversation
    packing: Packing
    objects: Objects

    def run(self, server: ServerApp, *, watch: Watch | None = None) -> str:
        """Drive the server app to its end: finished or stopped.

        Raises what it raises, once that is journaled, and `JournalError` (`run.fenced`) when the run is another's by now.
        """
        with limited(self.spec.threads), contextlib.closing(self.journal):
            return attempt(
                self.journal,
                self.spec.run,
                server,
                self._executor,
                watch=watch,
                save="elsewhere",
                mapped=self.objects.beside,
                digest=self.packing.digest,
            )

    def _executor(self, record: Record) -> WireExecutor:
        return WireExecutor(
            self.talk, self.journal, self.packing, self.objects, nodes=len(record.created.nodes)
        )


def attend(client: Client, run: str, *, where: str, cache: Path, beside: Path | None = None) -> Attempt:
    """Begin to write a run: older attempts are refused from here on. Raises `AtollError` when the coordinator refuses."""
    attended = client.call("POST", f"/v1/runs/{run}/attend", Attend(where=where), Attended)
    spec = attended.spec
    packing = Packing(partial(push, client, spec.federation))
    talk = Conversation(client, run, attended.fence, send_again=packing.send_again)
    objects = Objects(DirectoryStore(cache), partial(pull, client, spec.federation), beside=beside)
    return Attempt(spec, WireJournal(client, run, talk, packing, objects), talk, packing, objects)


def server_of(spec: RunSpec, folder: Path) -> ServerApp:
    """The server app in a folder; when it can't be loaded, one that raises why, so that the run's journal tells."""
    load: Callable[[], ServerApp] = Project(
        folder, spec.name, spec.server, spec.client, Config(spec.config)
    ).server_app
    try:
        return load()
    except (Exception, SystemExit) as error:
        return unfit(error)


def unfit(why: BaseException) -> ServerApp:
    """A server app that raises."""
    app = ServerApp()

    @app.main
    def main(fleet: Any, ctx: Any) -> NoReturn:
        raise why

    return app
