"""Where objects land: a folder of parts, one for each object on its way in, and one more for each further receiver.

Doesn't know where whole objects go. A part is locked while it is received, so that neither another receiver nor a sweep,
of this process or another, touches it; what was cut off stays for the next receiver.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from atoll.store._disk import BOTH, READ, full, lock, made, modified, room, size_of, translated
from atoll.store._part import DirectoryPart
from atoll.store._store import hex_of


class Landing:
    """A folder of parts. `reserve`: bytes of the disk that are never filled."""

    def __init__(self, folder: Path, *, reserve: int) -> None:
        self.folder, self._reserve = folder, reserve
        self._lock = threading.Lock()
        self._receiving: set[str] = set()  # names of the parts in hand here
        made(folder)

    def held(self, digests: Iterable[str]) -> dict[str, int]:
        """Bytes of those parts that nobody here is receiving."""
        free = [(d, n) for d in digests if (n := hex_of(d)) not in self._receiving]
        return {d: size for d, n in free if (size := size_of(self.folder / n))}

    def receive(
        self, digest: str, size: int, settle: Callable[[DirectoryPart], None], *, afresh: bool = False
    ) -> DirectoryPart:
        """Go on with a part, or begin it. Raises `DiskFull` when there is no room for the rest."""
        with self._lock, translated(self.folder):
            file, descriptor = self._claim(hex_of(digest))
            try:
                held = os.fstat(descriptor).st_size
                if held > size or afresh:
                    os.truncate(descriptor, 0)
                    held = 0
                if size - held > room(self.folder) - self._reserve:
                    raise full(self.folder, size - held)
                os.lseek(descriptor, held, os.SEEK_SET)
                part = DirectoryPart(
                    digest,
                    size,
                    file=file,
                    descriptor=descriptor,
                    held=held,
                    settle=settle,
                    leave=self._leave,
                )
            except BaseException:  # it is raised on; an empty file is left to nobody
                if not os.fstat(descriptor).st_size:
                    file.unlink()
                os.close(descriptor)
                raise
            self._receiving.add(file.name)
            return part

    def sweep(self, before: float) -> None:
        """Forget the parts that nobody has written to since then, and that nobody is receiving."""
        with translated(self.folder):
            for path in [p for p in self.folder.iterdir() if modified(p) < before]:
                with self._lock, contextlib.suppress(FileNotFoundError):
                    if path.name not in self._receiving:
                        _unlink_if_free(path)

    def _claim(self, name: str) -> tuple[Path, int]:
        """The part of this name, or one beside it while another receiver has it."""
        if name not in self._receiving:
            file = self.folder / name
            descriptor = os.open(file, BOTH, 0o600)
            if lock(descriptor, file):
                return file, descriptor
            os.close(descriptor)
        file = self.folder / f"{name}.{secrets.token_hex(8)}"
        descriptor = os.open(file, BOTH, 0o600)
        lock(descriptor, file)
        return file, descriptor

    def _leave(self, part: DirectoryPart) -> None:
        """A receiver goes. What it held beside another's part takes that one's place when it is more and the other has gone."""
        with self._lock:
            self._receiving.discard(part.file.name)
            name = hex_of(part.digest)
            if not part.held:
                _unlink_own(part)
            elif part.file.name != name and part.file.exists():
                if name not in self._receiving and part.held > size_of(self.folder / name):
                    os.replace(part.file, self.folder / name)
                else:
                    _unlink_own(part)


def _unlink_own(part: DirectoryPart) -> None:
    with contextlib.suppress(FileNotFoundError):
        if os.path.samestat(os.stat(part.file), os.fstat(part.descriptor)):
            os.unlink(part.file)


def _unlink_if_free(path: Path) -> None:
    descriptor = os.open(path, READ)
    try:
        if lock(descriptor, path):
            path.unlink()
    finally:
        os.close(descriptor)
