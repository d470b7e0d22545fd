"""The runs of a federation, read like a journal: what shows a simulated run shows these as well.

Doesn't know how they are shown. Nothing is written here: the coordinator is asked to.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from atoll.app import Project
from atoll.journal import Event, Summary, decode
from atoll.surfaces._coordinator import PATIENCE, renew
from atoll.surfaces._places import Place
from atoll.values import Arrays, Config, ConfigError, NotFound, new_run_id, odd_number
from atoll.wire import (
    Check,
    Checked,
    Client,
    Events,
    Manifest,
    Needs,
    NewRun,
    Ok,
    RunInfo,
    RunList,
    Shelved,
    Unreachable,
    join,
    pack_bundle,
    pull,
    push,
)

Asked = TypeVar("Asked", NewRun, Check)
_WAIT = 5.0  # seconds that a question for news waits at most; it is answered at once when there are any


class Faraway:
    """One federation of a coordinator. Raises `Refused` and `Unreachable` of `wire`."""

    def __init__(self, place: Place, *, objects: Path | None = None) -> None:
        self.place = place
        self.client = Client(place.address(), agent="atoll", patience=PATIENCE)
        renew(self.client, place)
        self._objects = objects
        self._fetched: set[str] = set()
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    # -- reading -------------------------------------------------------------------------------------------

    def infos(self) -> list[RunInfo]:
        """All runs, newest first, with where they run and what they wait for."""
        path = f"/v1/runs?federation={quote(self.place.federation)}"
        return self.client.call("GET", path, None, RunList).runs

    def info(self, reference: str) -> RunInfo:
        """One run."""
        return self.client.call("GET", f"/v1/runs/{quote(reference, safe='')}", None, RunInfo)

    def runs(self) -> list[Summary]:
        """All runs, newest first."""
        return [summary_of(info) for info in self.infos()]

    def find(self, reference: str) -> Summary:
        """The run that `@latest`, a name, an id or the beginning of one means."""
        return summary_of(self.info(reference))

    def waiting(self, run: str) -> str:
        """Why a run does not go on, in words; nothing when it does."""
        return self.info(run).waiting

    def events(self, run: str, after: int = 0) -> Iterator[tuple[int, Event]]:
        """What is there now, numbered."""
        while True:
            got = self._more(run, after, wait=0)
            for after, body in got.events:
                yield after, decode(body)
            if not got.events:
                return

    def follow(
        self, run: str, after: int = 0, *, quiet: Callable[[], None] | None = None
    ) -> Iterator[tuple[int, Event]]:
        """Events as they come, until the run has ended, whatever becomes of the coordinator meanwhile.

        `quiet` is called when nothing comes for a while.
        """
        live, heard = True, False
        while live:
            try:
                got = self._more(run, after, wait=_WAIT)
            except Unreachable:
                if not heard or self.client.closing.is_set():
                    raise
                got = Events()  # it was there before, and will be again
            heard = True
            for after, body in got.events:
                yield after, decode(body)
            live = got.live or bool(got.events)
            if live and not got.events and quiet is not None:
                quiet()

    def arrays(self, run: str, key: str) -> Arrays:
        """The arrays that an event names: fetched, and mapped from a file. Raises `NotFound`."""
        from atoll.store import DirectoryStore

        store = DirectoryStore(self._store_folder())
        manifest = self.manifests(run, key).get(key)
        if manifest is None:
            raise NotFound("object.unknown", f"run `{run}` keeps no object `{key}`")
        pull(self.client, self.place.federation, manifest.objects, store)
        self._fetched |= manifest.objects.keys()
        payload = join(manifest, store.open)
        found = next((v for v in payload.values() if isinstance(v, Arrays)), None)
        if found is None:
            raise NotFound("object.unknown", f"run `{run}` keeps no arrays as `{key}`")
        return found

    def manifests(self, run: str, *keys: str) -> Mapping[str, Manifest]:
        """What lies under a run's keys: of which arrays it is made, and in which objects their bytes are."""
        path = f"/v1/runs/{run}/shelf?{'&'.join(f'keys={key}' for key in keys)}"
        return self.client.call("GET", path, None, Shelved).objects

    def forget(self) -> None:
        """Remove what was fetched: it is no longer read. What was cut off stays, and goes on there next time."""
        from atoll.store import DirectoryStore

        store = DirectoryStore(self._store_folder())
        for digest in self._fetched:
            store.remove(digest)
        self._fetched.clear()

    def close(self) -> None:
        """Let go."""
        self.client.close()
        if self._folder is not None:
            self._folder.cleanup()

    # -- asking --------------------------------------------------------------------------------------------

    def begin(
        self,
        project: Project,
        config: Config,
        *,
        seed: int,
        name: str = "",
        nodes: Sequence[str] = (),
        where: str = "host",
        remembered: Mapping[str, str] = {},
    ) -> RunInfo:
        """Ship an app and begin a run of it. `remembered`: what else the run remembers of its app."""
        settings = project.simulation
        run = NewRun(
            id=new_run_id(), federation=self.place.federation, bundle=self._ship(project, config), app={**app_of(project), **remembered}, config=config.plain(), seed=seed,
            name=name, nodes=list(nodes), where=where, threads=settings.get("threads", 1), save=settings.get("save", "auto"),
            needs=needs_of(project),
        )  # fmt: skip
        return self.client.call("POST", "/v1/runs", self._ordered(run), RunInfo)

    def check(self, project: Project, config: Config) -> Checked:
        """What every node says of an app: can it be loaded, is the data there?"""
        asked = Check(
            federation=self.place.federation,
            bundle=self._ship(project, config),
            app=app_of(project),
            config=config.plain(),
            threads=project.simulation.get("threads", 1),
            needs=needs_of(project),
        )
        return self.client.call("POST", "/v1/checks", self._ordered(asked), Checked, wait=90)

    def stop(self, run: str) -> None:
        """Ask a run to end; what it committed is kept."""
        self.client.call("POST", f"/v1/runs/{run}/stop", None, RunInfo)

    def resume(self, run: str) -> None:
        """Let a run go on that was stopped or failed."""
        self.client.call("POST", f"/v1/runs/{run}/resume", None, RunInfo)

    def remove(self, run: str) -> None:
        """Forget a run and all that it kept."""
        self.client.call("DELETE", f"/v1/runs/{run}", None, Ok)

    # -- inside --------------------------------------------------------------------------------------------

    def _ship(self, project: Project, config: Config) -> str:
        if odd := odd_number(config.plain(), "config"):
            mend = 'give a number, or a text such as "inf" that the app reads: config is sent as JSON, which has no word for it'
            raise ConfigError("config.odd-number", f"the run's {odd}", mend)
        bundle = pack_bundle(project.folder)
        push(self.client, self.place.federation, {bundle.digest: memoryview(bundle.body)})
        return bundle.digest

    def _ordered(self, asked: Asked) -> Asked:
        """With this user's order, where they have a key: nodes there do nothing else."""
        if not self.place.key:
            return asked
        from atoll.surfaces._ordering import ordered  # slow to import

        return ordered(asked, Path(self.place.key).expanduser())

    def _more(self, run: str, after: int, *, wait: float) -> Events:
        return self.client.call(
            "GET", f"/v1/runs/{run}/events?after={after}&wait={wait:g}", None, Events, wait=wait
        )

    def _store_folder(self) -> Path:
        if self._objects is not None:
            return self._objects
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="atoll-", ignore_cleanup_errors=True)
        return Path(self._folder.name)


def summary_of(info: RunInfo) -> Summary:
    """The summary in what a coordinator tells of a run."""
    return msgspec.convert(info.summary, Summary)


def needs_of(project: Project) -> Needs:
    """What one task of an app takes at a node."""
    return msgspec.convert(dict(project.resources), Needs)


def app_of(project: Project) -> dict[str, Any]:
    """What a run remembers of its app."""
    settings = project.simulation
    found = {"name": project.name, "project": str(project.folder), "server": project.server, "client": project.client,
             "data": settings.get("data", ""), "digest": project.digest()}  # fmt: skip
    partition = settings.get("partition")
    return {**found, **({"partition": dict(partition)} if partition else {})}
