"""One worker process, seen from the pool: start it, write to it, hear from it, end it.

Doesn't know what is said.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from atoll.runtime._messages import Bye, FromWorker, Line, ToWorker, receive_answer, send
from atoll.runtime._threads import environment

_GRACE = 5.0  # seconds to clean up after being told to end


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
        self._child = subprocess.Popen(
            [sys.executable, "-u", "-m", "atoll.runtime._worker"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, **environment(threads), "PYTHONPATH": path},
        )  # fmt: skip
        self.pid = self._child.pid
        self._hear, self._log = hear, log
        self._errors = threading.Thread(target=self._read_errors, daemon=True)
        self._errors.start()
        threading.Thread(target=self._listen, daemon=True).start()

    def send(self, *messages: ToWorker) -> None:
        """Say something; a dead child's end is heard anyway."""
        assert self._child.stdin is not None
        with contextlib.suppress(OSError):
            send(self._child.stdin, *messages)  # type: ignore[arg-type]

    def end(self, *, kill: bool) -> None:
        """Tell it to end, or end it."""
        if kill:
            self._child.kill()
        else:
            self.send(Bye())

    def join(self) -> None:
        """Return when it has ended; one that does not is killed."""
        try:
            self._child.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def how_it_ended(self) -> str:
        """In words."""
        code = self._child.wait()
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"

    def _listen(self) -> None:
        assert self._child.stdout is not None
        with contextlib.suppress(OSError, ValueError):
            while (message := receive_answer(self._child.stdout)) is not None:  # type: ignore[arg-type]
                self._hear((self, message))
        self._errors.join()
        self._child.wait()
        self._hear((self, None))

    def _read_errors(self) -> None:
        assert self._child.stderr is not None
        for raw in self._child.stderr:
            self._log(Line("output", raw.decode(errors="replace").rstrip("\n"), 0, ""))
