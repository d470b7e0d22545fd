"""Nudges: waking the followers of a run when there is something new to read.

Doesn't say what: an empty datagram on loopback, and the follower reads the journal. Nobody polls.
"""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path
from types import TracebackType


def nudge(folder: str | Path) -> None:
    """Wake everybody who follows the run whose watchers register in this folder."""
    try:
        ports = os.listdir(folder)
    except FileNotFoundError:
        return
    if not ports:
        return
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for port in ports:
            with contextlib.suppress(OSError, ValueError):
                sender.sendto(b"", ("127.0.0.1", int(port)))


class Watcher:
    """A registered follower; `wait` returns at the next nudge."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._mark = folder / str(self._socket.getsockname()[1])
        self._mark.touch()

    def wait(self, seconds: float) -> bool:
        """Wait for a nudge, or so long. Whether there was one."""
        self._socket.settimeout(seconds)
        try:
            self._socket.recv(1)
        except TimeoutError:
            return False
        return True

    def __enter__(self) -> Watcher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._mark.unlink(missing_ok=True)
        self._socket.close()
