"""One child process, seen from the process that started it: write to it, hear from it, end it.

Doesn't know what is said.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

from atoll.runtime._pipe import receive, send

_GRACE = 5.0  # seconds to clean up after being told to end


class Child:
    """A running command. What it says, and None at its end, goes to `hear` from another thread; what it prints to `errors`.

    `apart`: it is the first of a process group of its own, all of which is killed when it ends, however that was.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        hear: Callable[[bytes | None], None],
        errors: Callable[[str], None],
        folder: Path | None = None,
        apart: bool = False,
    ) -> None:
        self._child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder,
            env=environment, start_new_session=apart and os.name == "posix",
        )  # fmt: skip
        self.pid = self._child.pid
        self._hear, self._errors = hear, errors
        self._apart = apart and os.name == "posix"
        self._writing = threading.Lock()
        self._reading = threading.Thread(target=self._read_errors, daemon=True)
        self._reading.start()
        self._burying = threading.Thread(target=self._bury, daemon=True)
        if self._apart:
            self._burying.start()
        threading.Thread(target=self._listen, daemon=True).start()

    def send(self, *messages: msgspec.Struct) -> None:
        """Say something; a dead child's end is heard anyway."""
        with contextlib.suppress(OSError, ValueError), self._writing:
            send(cast(BinaryIO, self._child.stdin), *messages)

    def kill(self) -> None:
        """End it, now."""
        if not self._apart:
            self._child.kill()
        elif self._child.returncode is None:  # its number is still its own
            with contextlib.suppress(OSError):
                os.killpg(self.pid, signal.SIGKILL)

    def join(self, grace: float = _GRACE) -> None:
        """Return when it has ended; one that does not is killed."""
        try:
            self._child.wait(grace)
        except subprocess.TimeoutExpired:
            self.kill()
            self._child.wait()

    def how_it_ended(self) -> str:
        """In words."""
        code = self._child.wait()
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"

    def _listen(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while (message := receive(cast(BinaryIO, self._child.stdout))) is not None:
                self._hear(message)
        self._reading.join()
        if self._apart:
            self._burying.join()
        self._child.wait()
        self._hear(None)

    def _read_errors(self) -> None:
        for raw in cast(BinaryIO, self._child.stderr):
            self._errors(raw.decode(errors="replace").rstrip("\n"))

    def _bury(self) -> None:
        """Kill what it started itself, which may hold on to its pipes, before its number can be another's."""
        with contextlib.suppress(OSError):
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        with contextlib.suppress(OSError):
            os.killpg(self.pid, signal.SIGKILL)
