"""A worker's files: the objects that tasks lie in, mapped, and the spool that its answers are written to.

Doesn't know what they mean. Objects were checked when the node took them in; nothing here reads them through.
"""

from __future__ import annotations

import errno
import mmap
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from atoll.store import hex_of
from atoll.values import NotFound, pack, write_all, write_file

_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
_LOOK = 1.0  # seconds between two looks at a full disk


def opener(folder: Path) -> Callable[[str], memoryview]:
    """What opens objects by their digests in the folder of a `DirectoryStore`: mapped, read-only, nothing copied."""

    def opened(digest: str) -> memoryview:
        name = hex_of(digest)
        try:
            with open(folder / name[:2] / name, "rb") as file:
                if not os.fstat(file.fileno()).st_size:
                    return memoryview(b"")
                return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        except FileNotFoundError:
            raise NotFound("object.missing", f"there is no object {digest}", "send it again") from None

    return opened


class Spool:
    """A folder for what a worker leaves to its daemon. While the disk is full, it waits, and says so once."""

    def __init__(self, folder: Path, log: Callable[[str, str], None]) -> None:
        self._folder, self._log, self._made = folder, log, 0
        self._never = threading.Event()

    def keep(
        self, blobs: Mapping[str, memoryview], state: Mapping[str, Any] | None
    ) -> tuple[dict[str, str], str | None]:
        """Write objects, and a state if there is one. Returns their files."""
        told = False
        while True:
            begun = self._made
            try:
                return {d: self._written(b) for d, b in blobs.items()}, self._state(state)
            except OSError as error:
                if error.errno not in _FULL:
                    raise
                for number in range(begun, self._made):
                    self._path(number).unlink(missing_ok=True)
                if not told:
                    self._log("warning", f"a finished call waits: the disk of {self._folder} is full")
                told = True
                self._never.wait(_LOOK)

    def _written(self, body: memoryview) -> str:
        path = self._next()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o600)
        try:
            write_all(descriptor, body)
        finally:
            os.close(descriptor)
        return str(path)

    def _state(self, state: Mapping[str, Any] | None) -> str | None:
        if state is None:
            return None
        path = self._next()
        write_file(path, pack(state), durable=False)
        return str(path)

    def _next(self) -> Path:
        self._made += 1
        return self._path(self._made - 1)

    def _path(self, number: int) -> Path:
        return self._folder / str(number)
