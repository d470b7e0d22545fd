"""A file that the server reads while it is written, no faster than whoever asked takes it.

Doesn't know what goes through. Granian's streams take all that they are given, however slowly it is fetched; its files it reads bit by
bit. So the bytes of several objects go through a pipe that has a file's name. Linux only.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable

CAPACITY = 1 << 20  # bytes at most
STALL = 120.0  # seconds without a byte taken, after which nobody is there

WORKS = sys.platform == "linux"


class Pipe:
    """One pipe. `path` is its file, to be opened while bytes are written, or before; they must be more than `CAPACITY`."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        self.path = f"/proc/self/fd/{self._reading}"
        self.written = 0  # bytes
        _enlarge(self._writing)

    async def write_all(self, first: bytes, more: Callable[[], asyncio.Future[bytes]]) -> None:
        """Write what there is until there is no more. Raises `BrokenPipeError` when nobody reads any more, and
        `TimeoutError` when nobody has for long."""
        piece = memoryview(first)
        while piece:
            coming = more()
            try:
                while piece:
                    written = self._some(piece)
                    self.written, piece = self.written + written, piece[written:]
                    if not written:
                        await self._room()
            finally:
                piece = memoryview(await coming)

    def close(self) -> None:
        """The end of the file."""
        self._forget_reading()
        if self._writing >= 0:
            os.close(self._writing)
            self._writing = -1

    def _some(self, piece: memoryview) -> int:
        try:
            return os.write(self._writing, piece)
        except BlockingIOError:
            return 0

    async def _room(self) -> None:
        loop = asyncio.get_running_loop()
        room = asyncio.Event()
        loop.add_writer(self._writing, room.set)
        try:
            await asyncio.wait_for(room.wait(), STALL)
        finally:
            loop.remove_writer(self._writing)
        self._forget_reading()  # it was full, and isn't any more: the server has a descriptor of its own

    def _forget_reading(self) -> None:
        """Or the writer would never learn that the server has closed its own."""
        if self._reading >= 0:
            os.close(self._reading)
            self._reading = -1


def _enlarge(descriptor: int) -> None:
    if sys.platform == "linux":
        import fcntl

        with contextlib.suppress(OSError):  # this user has many
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, CAPACITY)
