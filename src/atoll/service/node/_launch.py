"""Starting workers: the app's bundle and environment made ready, a folder for what the worker writes.

Doesn't know what a worker is given to do.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from atoll.service.workshop import Told, Worker, Workshop
from atoll.wire import RunSpec

if TYPE_CHECKING:
    from atoll.service.node._home import Home
    from atoll.service.node._settings import NodeSettings

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

    def launch(self, spec: RunSpec, hear: Hear) -> Worker:
        """A worker of a run, which tells `hear` what happens to it."""
        prepared = self._workshop.prepare(spec.bundle, lambda: self._bundle(spec.bundle))
        spool = self._home.spool / f"{spec.run}.{next(self._spools)}"
        spool.mkdir(mode=0o700)

        def heard(worker: Worker, told: Told | None) -> None:
            hear(worker, told)
            if told is None:
                shutil.rmtree(spool, ignore_errors=True)

        return Worker(
            prepared,
            spec,
            node=self._settings.name,
            data=self._settings.data,
            config=dict(self._settings.config),
            objects=self._home.objects,
            spool=spool,
            hear=heard,
        )
