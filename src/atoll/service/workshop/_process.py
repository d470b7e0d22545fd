"""One worker process, seen from its daemon: start it, give it calls, hear from it, end it.

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

GRACE = 5.0  # seconds to clean up after being told to end
Hear: TypeAlias = "Callable[[Worker, Told | None], None]"


class Worker:
    """A child that runs `atoll.service.workshop.worker`: one run's app at one node.

    What it tells goes to `hear` from another thread, and None when it has ended. `objects` is the folder of the
    node's `DirectoryStore`, `spool` a folder for what it writes, of its own. `check`: every data set is opened before it is ready.
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
    ) -> None:
        self._told, self._last, self._made = hear, "", threading.Event()
        self._timer = threading.Timer(GRACE, self._kill)
        self._timer.daemon, self._ending = True, False
        self._child = Child(
            prepared.command("atoll.service.workshop.worker"),
            environment=prepared.surroundings(spec.threads),
            folder=prepared.folder,
            hear=self._hear,
            errors=self._printed,
            apart=True,
        )
        self.pid = self._child.pid
        self._made.set()
        self._child.send(Begin(VERSION, str(prepared.folder), spec, node, dict(data), dict(config), str(objects),
                               str(spool), check))  # fmt: skip

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
        self._made.wait()  # whoever hears may want to use this
        if body is None:
            self._timer.cancel()
        self._told(self, None if body is None else told.decode(body))

    def _printed(self, text: str) -> None:
        self._last = text[:500] or self._last
        self._made.wait()
        self._told(self, Said("output", text[:4000]))

    def _kill(self) -> None:
        self._child.kill()
