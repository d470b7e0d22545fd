"""Processes in the background, each with a lock that lasts as long as it does.

Doesn't know what they do. The lock is taken before the process begins and handed to it, so that whoever finds it held knows
that the process lives, and that its id is no other's.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from atoll.journal import is_locked
from atoll.values import UNREADABLE, RunError

_TAIL = 2000  # characters of a log that are shown


class Background:
    """One of them, by its name in a folder: `<name>.lock` holds its process id, `<name>.log` what it says."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.lock, self.log = folder / f"{name}.lock", folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        """Whether it runs now."""
        return is_locked(self.lock)

    @property
    def pid(self) -> int:
        """Its process; 0 when it doesn't run."""
        try:
            return int(self.lock.read_text()) if self.alive else 0
        except (OSError, ValueError):
            return 0

    def start(self, words: Sequence[str], environment: dict[str, str]) -> None:
        """Begin `atoll WORDS... --json`. Raises `RunError` where the system can't."""
        if sys.platform == "win32":
            raise RunError(
                "up.unsupported",
                "processes in the background need a system other than Windows",
                "atoll coordinator start",
            )
        import fcntl

        descriptor = os.open(self.lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with self.log.open("ab") as log:
                command = [sys.executable, "-P", "-m", "atoll", *words, "--json"]
                self._process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, cwd=self.lock.parent, env=environment,
                    start_new_session=True, pass_fds=(descriptor,),
                )  # fmt: skip
            os.ftruncate(descriptor, 0)
            os.write(descriptor, str(self._process.pid).encode())
        finally:
            os.close(descriptor)

    def ready(self) -> dict[str, Any]:
        """What it says when it is ready. Raises `RunError` when it ends before."""
        assert self._process is not None
        assert self._process.stdout is not None
        said = self._process.stdout.read()  # it closes its output when it has said this
        try:
            document: dict[str, Any] = msgspec.json.decode(said)
        except UNREADABLE:
            document = {}
        if "code" not in document and document:
            return document
        told = (
            document.get("message")
            or self.log.read_text(errors="replace")[-_TAIL:].strip()
            or "it ended without a word"
        )
        raise RunError(
            "up.failed", f"{self.name} did not start: {told}", document.get("mend") or f"see {self.log}"
        )

    def ask(self) -> None:
        """Ask it to end."""
        _signal(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End it, and what it started."""
        pid = self.pid
        if pid and hasattr(os, "killpg"):
            _signal(-pid, signal.SIGKILL)


def end(processes: Iterable[Background], *, grace: float) -> list[str]:
    """Ask all of them to end, wait, and end those that don't; returns the names of those that had to be killed."""
    going = [p for p in processes if p.alive]
    for process in going:
        process.ask()
    stubborn = _wait(going, grace)
    for process in stubborn:
        process.kill()
    _wait(stubborn, grace)
    return [p.name for p in stubborn]


def _wait(processes: Sequence[Background], seconds: float) -> list[Background]:
    """Wait for processes to end; returns those that still run. Waiting is for their locks: nobody looks again and again."""
    until = time.monotonic() + seconds
    waiting = [threading.Thread(target=_until_free, args=(p.lock,), daemon=True) for p in processes]
    for thread in waiting:
        thread.start()
    for thread in waiting:
        thread.join(max(0.0, until - time.monotonic()))
    return [p for p, thread in zip(processes, waiting, strict=True) if thread.is_alive()]


def _until_free(lock: Path) -> None:
    import fcntl

    descriptor = os.open(lock, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    finally:
        os.close(descriptor)


def _signal(pid: int, number: int) -> None:
    if not pid:
        return
    try:
        os.kill(pid, number)  # a negative one is a process group
    except ProcessLookupError:
        return
