"""Objects on their way in: many in one body, taken apart as its bytes come.

Doesn't know how they come. A body is 8 bytes, the length (little-endian) of a JSON list of [digest, size, offset]; that list; and the
bytes of each from its offset on. What came whole is kept, and of what was cut off, its part.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import TypeAlias

import msgspec

from atoll.service.coordinator._refusals import Refusal
from atoll.store import Part, Store
from atoll.values import AtollError

LIST = 16 << 20  # bytes of the list, at most
LARGEST = 1 << 44  # bytes of one object
_AT_ONCE = 64  # objects made durable together; each holds a file open
_Entry: TypeAlias = tuple[str, int, int]
_entries = msgspec.json.Decoder(list[_Entry])


class Upload:
    """One body. One thread at a time uses it, and not the event loop's: its methods hash, write and wait for the disk."""

    def __init__(self, store: Store, lane: Callable[[str], str] = lambda digest: "") -> None:
        """`lane`: by which name an object is received apart from others'; "" for one that the sender may know of."""
        self._store, self._lane, self._lock = store, lane, threading.Lock()
        self._head = bytearray()
        self._entries: deque[_Entry] | None = None
        self._part: Part | None = None
        self._skip = 0  # bytes that come and are here already
        self._whole: list[Part] = []
        self._broken = False  # what comes now makes no sense
        self.stored: list[str] = []

    def feed(self, chunks: Iterable[bytes]) -> None:
        """Take the next bytes. Raises `Refusal`, `StoreError`, `DiskFull`."""
        with self._lock:
            self._broken = True
            for chunk in chunks:
                view = memoryview(chunk)
                while view:
                    view = self._list(view) if self._entries is None else self._bytes(view)
            self._broken = False

    def finish(self) -> list[str]:
        """The body has ended; which objects are whole and durable. Raises `Refusal` when it ended too early."""
        with self._lock:
            if self._entries is None:
                raise _malformed("the upload ends inside its list")
            try:
                if self._next() is not None:
                    message = (
                        f"the upload was cut off; {len(self.stored) + len(self._whole)} objects came whole"
                    )
                    raise Refusal(400, "request.cut-off", message, "send the rest")
            finally:
                self._settle()
            return self.stored

    def close(self, rest: Iterable[bytes] = ()) -> None:
        """Let go, after the `rest` of what came: what is whole is kept, if it can be, and what isn't stays a part."""
        with contextlib.suppress(AtollError, msgspec.MsgspecError):
            self.feed(() if self._broken else rest)
        with self._lock, contextlib.suppress(AtollError):
            try:
                self._settle()
            finally:
                for part in (*self._whole, *([self._part] if self._part else [])):
                    part.close()
                self._part, self._whole, self._entries = None, [], deque()

    # -- inside ----------------------------------------------------------------------------------------------

    @property
    def _left(self) -> int:
        """Bytes of the object at hand that are still to come."""
        return self._part.size - self._part.held + self._skip if self._part is not None else 0

    def _list(self, view: memoryview) -> memoryview:
        wanted = 8 - len(self._head)
        if wanted <= 0:
            wanted = 8 + int.from_bytes(self._head[:8], "little") - len(self._head)
        self._head += view[:wanted]
        if len(self._head) >= 8:
            size = int.from_bytes(self._head[:8], "little")
            if not 0 < size <= LIST:
                raise _malformed(f"its list has at most {LIST:,} bytes, not {size:,}")
            if len(self._head) == 8 + size:
                self._entries = deque(_entries.decode(memoryview(self._head)[8:]))
                self._head = bytearray()
                for digest, size, offset in self._entries:
                    if not 0 <= offset <= size <= LARGEST:
                        raise _malformed(f"{digest} can't be {size:,} bytes from {offset:,} on")
        return view[wanted:]

    def _bytes(self, view: memoryview) -> memoryview:
        part = self._next()
        if part is None:
            raise _malformed("there are bytes after the last object")
        mine, rest = view[: self._left], view[self._left :]
        skipped = min(self._skip, len(mine))
        self._skip -= skipped
        if fresh := mine[skipped:]:
            part.write(fresh)
        if not self._left:
            self._end()
        return rest

    def _next(self) -> Part | None:
        """The object whose bytes come now: objects that are here already come with none, or for nothing."""
        assert self._entries is not None
        while self._part is None and self._entries:
            digest, size, offset = self._entries.popleft()
            self._part = self._store.receive(digest, size, apart=self._lane(digest))
            self._skip = self._part.held - offset
            if self._skip < 0:
                message = f"{digest} goes on at {self._part.held:,}, not at {offset:,}"
                raise Refusal(503, "object.gap", message, "ask again what is lacking", retry=1)
            if not self._left:
                self._end()
        return self._part

    def _end(self) -> None:
        """The object at hand is whole."""
        assert self._part is not None
        self._whole.append(self._part)
        self._part = None
        if len(self._whole) >= _AT_ONCE:
            self._settle()

    def _settle(self) -> None:
        """Make those that are whole durable; damaged ones are put aside, and don't count."""
        whole, self._whole = self._whole, []
        try:
            damaged = self._store.settle(whole) if whole else set()
        finally:
            for part in whole:
                part.close()
        self.stored += [part.digest for part in whole if part.digest not in damaged]


def _malformed(message: str) -> Refusal:
    return Refusal(400, "request.malformed", message, "see /openapi.json")
