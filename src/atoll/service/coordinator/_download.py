"""Objects on their way out: pieces of many, one after the other.

Doesn't know where they go.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
from collections import deque
from collections.abc import Sequence
from typing import TypeAlias

from atoll.service.coordinator._refusals import Refusal
from atoll.store import Store
from atoll.values import StoreError

Piece: TypeAlias = tuple[str, int, int]  # object, offset, length
PIECE = 1 << 20  # bytes read at once
_SMALL = 64 << 10  # bytes: pieces smaller than that are gathered
_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


class Download:
    """The bytes of pieces. One thread at a time uses it, and not the event loop's: its methods wait for the disk, and hash what has
    not been read since the start."""

    def __init__(self, store: Store, pieces: Sequence[Piece]) -> None:
        self._store, self._lock = store, threading.Lock()
        self._pieces = deque(piece for piece in pieces if piece[2])
        self._digest, self._descriptor = "", -1
        self._rest = memoryview(b"")  # bytes in hand
        self.sent = 0

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
        if self._pieces:
            self._open(self._pieces[0][0])
        return total

    def next(self) -> bytes:
        """The next bytes, a megabyte or so; none at the end."""
        with self._lock:
            found = self._gathered(everything=True)
            self.sent += len(found)
            return found

    def pour(self, pipe: int) -> bool:
        """Write into a pipe for as long as there is room, without waiting for any; whether something remains."""
        with self._lock:
            try:
                while self._pour(pipe):
                    pass
            except BlockingIOError:
                return True
            return False

    def close(self) -> None:
        """Let go of the file at hand."""
        with self._lock:
            self._pieces.clear()
            self._rest = memoryview(b"")
            self._let_go()

    # -- inside ------------------------------------------------------------------------------------------------

    def _pour(self, pipe: int) -> int:
        """Write some bytes; how many. Raises `BlockingIOError` when there is no room."""
        if not self._rest and not self._spliceable():
            self._rest = memoryview(self._gathered(everything=False))
        written = os.write(pipe, self._rest) if self._rest else self._splice(pipe) if self._pieces else 0
        self._rest = self._rest[written:]
        self.sent += written
        return written

    def _spliceable(self) -> bool:
        """Whether the next piece can go from its file to a pipe without passing through here."""
        if sys.platform != "linux" or not self._pieces or self._pieces[0][2] < _SMALL:
            return False
        self._open(self._pieces[0][0])
        return self._descriptor >= 0

    def _splice(self, pipe: int) -> int:
        digest, offset, length = self._pieces[0]
        try:
            moved = os.splice(self._descriptor, pipe, length, offset_src=offset, flags=os.SPLICE_F_NONBLOCK)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            self._rest = memoryview(self._gathered(everything=True))  # this file system can't
            return self._pour(pipe)
        if not moved:
            raise _short(digest)
        self._take(moved)
        return moved

    def _gathered(self, *, everything: bool) -> bytes:
        """The next bytes: of a large piece, or of many small ones; `everything`: or of what there is."""
        found = bytearray()
        while self._pieces and len(found) < PIECE:
            digest, offset, length = self._pieces[0]
            if not everything and length >= _SMALL and found:
                break
            count = min(length, PIECE - len(found))
            found += self._read(digest, offset, count)
            self._take(count)
        return bytes(found)

    def _take(self, count: int) -> None:
        digest, offset, length = self._pieces[0]
        if count == length:
            self._pieces.popleft()
        else:
            self._pieces[0] = digest, offset + count, length - count

    def _read(self, digest: str, offset: int, length: int) -> bytes:
        self._open(digest)
        if self._descriptor < 0 or not hasattr(os, "pread"):
            return self._store.read(digest, offset, length)
        found = os.pread(self._descriptor, length, offset)
        if len(found) != length:
            raise _short(digest)
        return found

    def _open(self, digest: str) -> None:
        if digest != self._digest:
            self._let_go()
            path = self._store.path(digest)
            self._descriptor = os.open(path, _FLAGS) if path is not None else -1
            self._digest = digest

    def _let_go(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._digest, self._descriptor = "", -1


def _short(digest: str) -> StoreError:
    return StoreError("object.bad-range", f"{digest} ended early", "fetch it again")
