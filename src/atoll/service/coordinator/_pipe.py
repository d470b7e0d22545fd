"""A file that the server reads while it is written, no faster than whoever asked takes it.

Doesn't know what goes through. Granian's streams take all that they are given, however slowly it is fetched; its files it reads bit by
bit. So the bytes of several objects go through a pipe that has a file's name. Linux only.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import sys
import threading
from collections.abc import Callable

CAPACITY = 1 << 20  # bytes at most
STALL = 120.0  # seconds without a byte taken, after which nobody is there
OPENED = 3.0  # seconds after which the server has opened the file, or never will

_MOMENT = 20  # milliseconds

WORKS = sys.platform == "linux"


class Pipe:
    """One pipe. `path` is its file, to be opened while bytes are written, or before; they must be more than `CAPACITY`."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        self.path = f"/proc/self/fd/{self._reading}"
        self._lock, self._forgotten = threading.Lock(), False
        _enlarge(self._writing)

    def fill(self, pour: Callable[[int], bool]) -> bool:
        """Let `pour` write for as long as somebody reads; whether something remains, for which to await room.

        For a thread, which isn't held up by those who read slowly. Raises `BrokenPipeError` when nobody reads any more."""
        with self._lock:
            while self._writing >= 0 and pour(self._writing):
                if not self._soon():
                    return True
                self._forget_reading()  # it was full, and isn't any more: the server has a descriptor of its own
            return False

    async def room(self) -> None:
        """Return when there is room. Raises `TimeoutError` when there hasn't been any for long."""
        loop, room = asyncio.get_running_loop(), asyncio.Event()
        loop.add_writer(self._writing, room.set)
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(room.wait(), OPENED)
            self._forget_reading()  # there is room as well once nobody reads
            await asyncio.wait_for(room.wait(), STALL)
        finally:
            loop.remove_writer(self._writing)

    def close(self) -> None:
        """The end of the file, once nobody fills it."""
        with self._lock:
            for descriptor in (self._reading, self._writing):
                if descriptor >= 0:
                    os.close(descriptor)
            self._reading = self._writing = -1

    def _soon(self) -> bool:
        """Whether there is room in a moment."""
        poll = select.poll()
        poll.register(self._writing, select.POLLOUT)
        return bool(poll.poll(_MOMENT))

    def _forget_reading(self) -> None:
        """Or the writer would never learn that the server has closed its own. The number stays taken: another file under it
        would be sent to whoever waits for this one."""
        if self._reading >= 0 and not self._forgotten:
            self._forgotten = True
            nothing = os.open(os.devnull, os.O_RDONLY)
            os.dup2(nothing, self._reading, inheritable=False)
            os.close(nothing)


def _enlarge(descriptor: int) -> None:
    if sys.platform == "linux":
        import fcntl

        with contextlib.suppress(OSError):  # this user has many
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, CAPACITY)
