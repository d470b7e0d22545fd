"""A lock that lives as long as the process that took it, however it ends.

Doesn't know what it guards.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from atoll.values import JournalError


class FileLock:
    """An exclusive lock on a file."""

    def __init__(self, path: Path, *, what: str) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        while not _taken(
            self._descriptor
        ):  # by this process; somebody who only looks is in the way for a moment
            if _held(self._descriptor):
                os.close(self._descriptor)
                raise JournalError(
                    "run.busy",
                    f"{what} is being run by another process",
                    "wait for it, or end it with `atoll stop`",
                )

    def release(self) -> None:
        """Let go; a second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def is_locked(path: Path) -> bool:
    """Whether a living process holds the lock."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        return _held(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Wait until no other process is in here."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _wait(descriptor)
        yield
    finally:
        os.close(descriptor)


if sys.platform == "win32":
    import msvcrt

    def _wait(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)

    def _taken(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _held(descriptor: int) -> bool:
        """Windows has no shared locks, so looking takes the lock: what is found taken a hundred times is held."""
        if not any(_taken(descriptor) for _ in range(100)):
            return True
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
        return False

else:
    import fcntl

    def _wait(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)

    def _taken(descriptor: int) -> bool:
        return _flocked(descriptor, fcntl.LOCK_EX)

    def _held(descriptor: int) -> bool:
        """Looking takes a shared lock for a moment: it hinders no other look, and only a holder hinders it."""
        if not _flocked(descriptor, fcntl.LOCK_SH):
            return True
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        return False

    def _flocked(descriptor: int, kind: int) -> bool:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
