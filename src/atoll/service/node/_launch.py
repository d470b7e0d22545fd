"""Starting workers: the app's bundle and environment made ready, a folder for what the worker writes. While none runs, one
process is kept ready to be the next.

Doesn't know what a worker is given to do.
"""

from __future__ import annotations

import contextlib
import itertools
import shutil
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from atoll.service.workshop import Prepared, Spare, Told, Worker, Workshop
from atoll.wire import RunSpec

if TYPE_CHECKING:
    from atoll.service.node._home import Home
    from atoll.service.node._settings import NodeSettings

GRACE = 6.0  # seconds for workers to end; one that doesn't is killed before

Hear: TypeAlias = Callable[[Worker, Told | None], None]


class Launcher:
    """Starts workers for any run."""

    def __init__(self, settings: NodeSettings, home: Home, bundle: Callable[[str], bytes]) -> None:
        self._settings, self._home, self._bundle = settings, home, bundle
        self._workshop = Workshop(
            home.workshop,
            environments=settings.environments,
            wheelhouse=settings.wheelhouse,
            index=settings.index,
        )
        self._spools = itertools.count()
        self._alive, self._changed = 0, threading.Condition()
        self._spare: Spare | None = None
        self._closed = False

    def launch(
        self, spec: RunSpec, hear: Hear, *, variables: Mapping[str, str] | None = None, check: bool = False
    ) -> Worker:
        """A worker of a run, which tells `hear` what happens to it; `check` opens every data set before it is ready.

        `variables` are added to its environment."""
        prepared = self._workshop.prepare(spec.bundle, lambda: self._bundle(spec.bundle))
        spool = self._home.spool / f"{spec.run}.{next(self._spools)}"
        spool.mkdir(mode=0o700)

        def heard(worker: Worker, told: Told | None) -> None:
            hear(worker, told)
            if told is None:
                shutil.rmtree(spool, ignore_errors=True)
                self._ended()

        with self._changed:
            self._alive += 1
        try:
            return self._worker(prepared, spec, spool, heard, check, variables)
        except BaseException:  # it is raised on; the count has to be right
            self._ended()
            raise

    def be_ready(self) -> None:
        """While nothing runs, have a process that the next run need not wait for."""
        with self._changed:
            usual = self._workshop.usual
            if self._closed or self._alive or usual is None:
                return
            if self._spare is None or not self._spare.fits(usual, threads=1):
                self._let_go()
                with contextlib.suppress(OSError):  # then the next one starts when it is wanted
                    self._spare = Spare(usual, threads=1, folder=self._home.workshop)

    def close(self, seconds: float = GRACE) -> None:
        """Return when all have ended, or after so long."""
        with self._changed:
            self._closed = True
            self._let_go()
            self._changed.wait_for(lambda: not self._alive, seconds)

    def _let_go(self) -> None:
        spare, self._spare = self._spare, None
        if spare is not None:
            spare.child.kill()

    def _ended(self) -> None:
        with self._changed:
            self._alive -= 1
            self.be_ready()
            self._changed.notify_all()

    def _hired(self, prepared: Prepared, threads: int) -> Spare | None:
        with self._changed:
            if self._spare is None or not self._spare.fits(prepared, threads):
                return None
            spare, self._spare = self._spare, None
            return spare

    def _worker(
        self,
        prepared: Prepared,
        spec: RunSpec,
        spool: Path,
        hear: Hear,
        check: bool,
        variables: Mapping[str, str] | None,
    ) -> Worker:
        return Worker(
            prepared,
            spec,
            node=self._settings.name,
            data=self._settings.data,
            config=dict(self._settings.config),
            objects=self._home.objects,
            spool=spool,
            hear=hear,
            check=check,
            variables=variables,
            tell=self._settings.tell,
            salt=self._home.salt(),
            spare=self._hired(prepared, spec.threads),
        )
