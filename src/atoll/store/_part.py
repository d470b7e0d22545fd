"""A part: one object on its way into a folder, at full speed and resumable at the byte.

Doesn't know of the objects beside it; the store gives it its file and takes that back.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from atoll.store._disk import begin_writing, translated, write_some
from atoll.store._hashing import CHUNK, Hashing
from atoll.store._store import Buffer, cut_off, too_long

_BEGIN = 8 << 20  # bytes after which the disk is set to work


class DirectoryPart:
    """A file that grows to an object. Made by `DirectoryStore.receive` alone."""

    def __init__(
        self,
        digest: str,
        size: int,
        *,
        file: Path,
        descriptor: int,
        held: int,
        settle: Callable[[DirectoryPart], None],
        leave: Callable[[DirectoryPart], None],
    ) -> None:
        self.digest, self.size, self.file, self.descriptor = digest, size, file, descriptor
        self._held, self._settle, self._leave = held, settle, leave
        self._hashing = Hashing(descriptor, size, held)
        self._begun = held  # so far the disk has been set to work

    @property
    def held(self) -> int:
        return self._held

    def write(self, chunk: Buffer, *, lasting: bool = False) -> None:
        """As `Part.write`; `lasting` chunks won't change before the end, so that the hash needs no copy of them."""
        view = memoryview(chunk).cast("B")
        if self._held + view.nbytes > self.size:
            raise too_long(self.digest, self.size)
        with translated(self.file.parent):
            while view.nbytes:
                written = write_some(self.descriptor, view[:CHUNK])
                self._hashing.feed(view[:written], lasting=lasting)
                self._held += written
                view = view[written:]
            if self._held - self._begun >= _BEGIN:
                begin_writing(self.descriptor, self._begun, self._held - self._begun)
                self._begun = self._held

    def finish(self) -> None:
        self._settle(self)

    def whole(self) -> bool:
        """Whether the bytes are those that the digest names. Raises `StoreError` (`object.cut-off`)."""
        if self._held != self.size:
            raise cut_off(self.digest, self._held, self.size)
        with translated(self.file.parent):
            try:
                return self._hashing.digest() == self.digest
            except OSError:  # what the disk didn't take it may have forgotten, though it can still be read
                os.ftruncate(self.descriptor, 0)
                self._held = 0
                raise

    def close(self) -> None:
        if self.descriptor >= 0:
            self._hashing.close()
            self._leave(self)
            os.close(self.descriptor)
            self.descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class PresentPart:
    """An object that is here already: all of it is held, and nothing remains to be done."""

    def __init__(self, digest: str, size: int) -> None:
        self.digest = digest
        self.size = self.held = size

    def write(self, chunk: Buffer) -> None:
        if memoryview(chunk).nbytes:
            raise too_long(self.digest, self.size)

    def finish(self) -> None:
        """Nothing remains to be done."""

    def close(self) -> None:
        """Nothing is held."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
