"""The hash of a file while it is being written: of large ones in a thread alongside.

Doesn't know what the hash should be.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import threading
from typing import Any

from atoll.store._store import Buffer

CHUNK = 1 << 20
_ALONGSIDE = 2 << 20  # bytes from which on a thread is worth its while
_WAITING = 16  # pieces


class Hashing:
    """Follows the bytes of an object of a known size, of which the first `held` lie in the file already."""

    def __init__(self, descriptor: int, size: int, held: int) -> None:
        self._descriptor, self._held, self._left = descriptor, held, size - held
        self._hash = hashlib.sha256()
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None
        self._queue: queue.Queue[Any] = queue.Queue(_WAITING)
        if not hasattr(os, "preadv"):
            self._begin()  # where reading moves the place of writing
        if size >= _ALONGSIDE:
            self._thread = threading.Thread(target=self._follow, name="atoll-hash", daemon=True)
            self._thread.start()
            if not self._left:
                self._queue.put(None)

    def feed(self, view: memoryview, *, lasting: bool) -> None:
        """Take the next bytes; `lasting` when they won't change before the end."""
        if self._thread is None:
            self._begin()
            self._hash.update(view)
        else:
            self._queue.put(view if lasting or type(view.obj) is bytes else bytes(view))
            self._left -= view.nbytes
            if not self._left:
                self._queue.put(None)  # the thread needn't wait for us to close

    def digest(self) -> str:
        """`sha256:<hex>` of everything, once all of it was fed."""
        self.close()
        if self._error is not None:
            raise self._error
        self._begin()
        return f"sha256:{self._hash.hexdigest()}"

    def close(self) -> None:
        """End the thread, after what it has been given."""
        if self._thread is not None:
            if self._left:
                self._queue.put(None)
            self._thread.join()
            self._thread = None

    def _begin(self) -> None:
        if self._held:
            hash_file(self._descriptor, self._hash, self._held)
            self._held = 0

    def _follow(self) -> None:
        with self._noting():
            self._begin()
        while (view := self._queue.get()) is not None:
            with self._noting():
                self._hash.update(view)

    @contextlib.contextmanager
    def _noting(self) -> Any:
        try:
            yield
        except BaseException as error:  # for whoever waits for the hash to raise
            self._error = self._error or error


def hash_file(descriptor: int, into: Any, size: int) -> int:
    """Feed the first bytes of a file to a hash; returns how many there were."""
    buffer, done = memoryview(bytearray(min(CHUNK, max(size, 1)))), 0
    while done < size:
        piece = _read(descriptor, buffer[: min(CHUNK, size - done)], done)
        if not piece:
            break
        into.update(buffer[:piece])
        done += piece
    return done


def _read(descriptor: int, into: memoryview, offset: int) -> int:
    if hasattr(os, "preadv"):
        return os.preadv(descriptor, [into], offset)
    return _seek_and_read(descriptor, into, offset)


def _seek_and_read(descriptor: int, into: memoryview, offset: int) -> int:
    at = os.lseek(descriptor, 0, os.SEEK_CUR)  # a file of this thread's own, or one written to by nobody
    os.lseek(descriptor, offset, os.SEEK_SET)
    body: Buffer = os.read(descriptor, into.nbytes)
    os.lseek(descriptor, at, os.SEEK_SET)
    into[: len(body)] = body
    return len(body)
