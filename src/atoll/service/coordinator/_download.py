"""Objects on their way out: pieces of many, one after the other.

Doesn't know where they go.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from atoll.service.coordinator._refusals import Refusal
from atoll.store import Store
from atoll.values import StoreError

PIECE = 1 << 20  # bytes read at once
Piece: TypeAlias = tuple[str, int, int]  # object, offset, length
_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


class Download:
    """The bytes of pieces (object, offset, length), a megabyte or so at a time. One thread at a time uses it, and not the event
    loop's."""

    def __init__(self, store: Store, pieces: Sequence[Piece]) -> None:
        self._store, self._pieces, self._lock = store, pieces, threading.Lock()
        self._digest, self._descriptor = "", -1
        self._reads = self._each()

    def check(self) -> int:
        """How many bytes there will be. Raises `NotFound`, `ObjectDamaged`, `Refusal`."""
        total, sizes = 0, dict[str, int]()
        for digest, offset, length in self._pieces:
            if digest not in sizes:
                sizes[digest] = self._store.size(digest)
            if offset + length > sizes[digest]:
                message = f"{digest} has {sizes[digest]:,} bytes, not {offset + length:,}"
                raise Refusal(409, "object.bad-range", message, "ask for what is there")
            total += length
        return total

    def next(self) -> bytes:
        """The next bytes; none at the end."""
        with self._lock:
            return next(self._reads, b"")

    def close(self) -> None:
        """Let go of the file at hand."""
        with self._lock:
            self._reads = iter(())
            self._let_go()

    def _each(self) -> Iterator[bytes]:
        """Small pieces are gathered, large ones cut."""
        gathered = bytearray()
        for digest, offset, length in self._pieces:
            for at in range(offset, offset + length, PIECE):
                piece = self._read(digest, at, min(PIECE, offset + length - at))
                if not gathered and len(piece) == PIECE:
                    yield piece
                    continue
                gathered += piece
                if len(gathered) >= PIECE:
                    yield bytes(gathered)
                    gathered.clear()
        if gathered:
            yield bytes(gathered)

    def _read(self, digest: str, offset: int, length: int) -> bytes:
        if digest != self._digest:
            self._let_go()
            path = self._store.path(digest)
            self._descriptor = os.open(path, _FLAGS) if path is not None else -1
            self._digest = digest
        if self._descriptor < 0 or not hasattr(os, "pread"):
            return self._store.read(digest, offset, length)
        found = os.pread(self._descriptor, length, offset)
        if len(found) != length:
            raise StoreError("object.bad-range", f"{digest} ended early", "fetch it again")
        return found

    def _let_go(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._digest, self._descriptor = "", -1
