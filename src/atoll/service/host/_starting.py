"""Starting programs' processes. While none runs, one is kept ready: Python has loaded what every program needs, and it waits for its order.

Doesn't know what the order says.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

from atoll.service.workshop import Prepared

_POSIX = os.name == "posix"
Process = subprocess.Popen[bytes]


class Starting:
    """Makes the processes of one host; `folder` is where one is that has no order yet."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._lock, self._closed = folder, threading.Lock(), False
        self._spare: tuple[Prepared, Process] | None = None

    def be_ready(self, usual: Prepared | None) -> None:
        """Have a process that the next order need not wait for, in the environment that it is likely to want."""
        with self._lock:
            if usual is None or self._closed or self._fitting(usual, 1):
                return
            self._let_go()
            with contextlib.suppress(OSError):  # then the next one starts when it is wanted
                self._spare = usual, self._made(usual, 1)

    def process(self, prepared: Prepared, threads: int) -> Process:
        """A process that waits for its order. Raises `OSError`."""
        with self._lock:
            if self._spare is not None and self._fitting(prepared, threads):
                (_, process), self._spare = self._spare, None
                return process
        return self._made(prepared, threads)

    def close(self) -> None:
        """Keep none."""
        with self._lock:
            self._closed = True
            self._let_go()

    def _fitting(self, prepared: Prepared, threads: int) -> bool:
        if self._spare is None or threads != 1:
            return False
        kept, process = self._spare
        return (kept.python, kept.path) == (prepared.python, prepared.path) and process.poll() is None

    def _let_go(self) -> None:
        spare, self._spare = self._spare, None
        if spare is not None:
            kill(spare[1])
            spare[1].wait()

    def _made(self, prepared: Prepared, threads: int) -> Process:
        return subprocess.Popen(
            prepared.command("atoll.service.host.program"), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, cwd=self._folder, env=prepared.surroundings(threads), **_apart(),
        )  # fmt: skip


def kill(process: Process) -> None:
    """End it at once, and what it started."""
    with contextlib.suppress(OSError):
        if _POSIX:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def _apart() -> dict[str, Any]:
    """A group of its own: ^C at the host's terminal is the host's affair."""
    if _POSIX:
        return {"start_new_session": True}
    return {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
