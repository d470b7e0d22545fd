"""One worker process, seen from the pool: start it, write to it, hear from it, end it.

Doesn't know what is said.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from atoll.runtime._child import Child
from atoll.runtime._messages import Bye, FromWorker, Line, ToWorker, answer
from atoll.runtime._threads import environment


class Process:
    """A child that runs `atoll.runtime._worker`; what it says, and None at its end, goes to `hear` from another thread."""

    def __init__(
        self,
        hear: Callable[[tuple[Process, FromWorker | None]], None],
        *,
        threads: int,
        log: Callable[[Line], None],
    ) -> None:
        here = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])])
        self._child = Child(
            [sys.executable, "-u", "-m", "atoll.runtime._worker"],
            environment={**os.environ, **environment(threads), "PYTHONPATH": path},
            hear=lambda body: hear((self, None if body is None else answer(body))),
            errors=lambda text: log(Line("output", text, 0, "")),
        )
        self.pid = self._child.pid
        self.join, self.how_it_ended = self._child.join, self._child.how_it_ended

    def send(self, *messages: ToWorker) -> None:
        """Say something; a dead child's end is heard anyway."""
        self._child.send(*messages)

    def end(self, *, kill: bool) -> None:
        """Tell it to end, or end it."""
        if kill:
            self._child.kill()
        else:
            self.send(Bye())
