"""One worker process, seen from its daemon: start it, hire it, give it calls, hear from it, end it.

Doesn't know what the calls are for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from msgspec import structs

from atoll.runtime import Child
from atoll.service.workshop._messages import VERSION, Begin, Bye, Give, Said, Told, told
from atoll.service.workshop._workshop import Prepared
from atoll.wire import Offer, RunSpec

_MODULE = "atoll.service.workshop.worker"
GRACE = 5.0  # seconds to clean up after being told to end
Hear: TypeAlias = "Callable[[Worker, Told | None], None]"


class Spare:
    """A worker that nobody has hired yet: Python has loaded what every worker needs, and it waits to hear for whom.

    `folder` is any that is there: it works in its app's once it is hired.
    """

    def __init__(self, prepared: Prepared, *, threads: int, folder: Path) -> None:
        self._fit = (prepared.python, prepared.path, threads)
        self._lock = threading.Lock()
        self._hear: Callable[[bytes | None], None] | None = None
        self._errors: Callable[[str], None] = lambda _: None
        self._over = False
        self.child = Child(
            prepared.command(_MODULE), environment=prepared.surroundings(threads), folder=folder, hear=self._heard,
            errors=lambda text: self._errors(text), apart=True,
        )  # fmt: skip

    def fits(self, prepared: Prepared, threads: int) -> bool:
        """Whether it could be hired for an app: it lives, in the app's environment."""
        return not self._over and self._fit == (prepared.python, prepared.path, threads)

    def hire(self, begin: Begin, hear: Callable[[bytes | None], None], errors: Callable[[str], None]) -> None:
        """Tell it for whom it works; what it says from now on goes to `hear`, its end too if that has come."""
        with self._lock:
            self._hear, self._errors = hear, errors
            over = self._over
        self.child.send(begin)
        if over:
            hear(None)

    def _heard(self, body: bytes | None) -> None:
        with self._lock:
            self._over = self._over or body is None
            hear = self._hear
        if hear is not None:
            hear(body)


class Worker:
    """A child that runs `atoll.service.workshop.worker`: one run's app at one node.

    What it tells goes to `hear` from another thread, and None when it has ended. `objects` is the folder of the
    node's `DirectoryStore`, `spool` a folder for what it writes, of its own. `check`: every data set is opened before it is ready.
    `variables` are added to its environment; `tell`, `salt`: what it says of the data that it opens. `spare`: a process that is ready to be one, and fits.
    """

    def __init__(
        self,
        prepared: Prepared,
        spec: RunSpec,
        *,
        node: str,
        data: Mapping[str, str],
        config: Mapping[str, Any],
        objects: Path,
        spool: Path,
        hear: Hear,
        check: bool = False,
        variables: Mapping[str, str] | None = None,
        tell: str = "names",
        salt: str = "",
        spare: Spare | None = None,
    ) -> None:
        self._told, self._last = hear, ""
        self._timer = threading.Timer(GRACE, self._kill)
        self._timer.daemon, self._ending = True, False
        if spare is None:
            spare = Spare(prepared, threads=spec.threads, folder=prepared.folder)
        self._child = spare.child
        self.pid = self._child.pid
        begin = Begin(
            VERSION,
            str(prepared.folder),
            spec,
            node,
            dict(data),
            dict(config),
            str(objects),
            str(spool),
            check,
            dict(variables or {}),
            tell,
            salt,
        )
        spare.hire(begin, self._hear, self._printed)

    def give(self, offer: Offer, state: Path | None = None) -> None:
        """Hand a call over; `state` is the file with what the node remembers. Calls are performed one after the other."""
        self._child.send(Give(structs.replace(offer, wants=None), "" if state is None else str(state)))

    def end(self, *, kill: bool = False) -> None:
        """Tell it to finish what it was given and end, or end it. Returns at once; one that doesn't end is killed."""
        if kill:
            self._child.kill()
        elif not self._ending:
            self._ending = True
            self._child.send(Bye())
            self._timer.start()

    def how_it_ended(self) -> str:
        """In words; waits until it has."""
        how = self._child.how_it_ended()
        return f"{how}: {self._last}" if self._last and "signal" not in how else how

    def _hear(self, body: bytes | None) -> None:
        if body is None:
            self._timer.cancel()
        self._told(self, None if body is None else told.decode(body))

    def _printed(self, text: str) -> None:
        self._last = text[:500] or self._last
        self._told(self, Said("output", text[:4000]))

    def _kill(self) -> None:
        self._child.kill()
