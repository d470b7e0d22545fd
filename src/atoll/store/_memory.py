"""A store in memory: for tests, and for what is small and need not last.

Doesn't know of disks.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from atoll.store._disk import open_plain
from atoll.store._store import (
    Buffer,
    Part,
    bad_range,
    cut_off,
    damaged,
    digest_bytes,
    hex_of,
    missing,
    too_long,
)
from atoll.values import NotFound, ObjectDamaged


class MemoryStore:
    """Objects in a dictionary."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock, self._lock = clock, threading.RLock()
        self._objects: dict[str, tuple[bytes, float]] = {}  # and when they came
        self._parts: dict[tuple[str, str], tuple[bytearray, float]] = {}  # by who receives them apart, and digest
        self._receiving: set[tuple[str, str]] = set()

    def has(self, digests: Iterable[str]) -> set[str]:
        with self._lock:
            found = {d for d in digests if hex_of(d) and d in self._objects}
            self._objects.update({d: (self._objects[d][0], self._clock()) for d in found})
            return found

    def held(self, digests: Iterable[str], *, apart: str = "") -> dict[str, int]:
        with self._lock:
            asked = {(apart, d): d for d in digests if hex_of(d)}
            free = {at: d for at, d in asked.items() if at in self._parts and at not in self._receiving}
            return {d: len(self._parts[at][0]) for at, d in free.items()}

    def size(self, digest: str) -> int:
        return len(self._get(digest))

    def open(self, digest: str) -> memoryview:
        self.verify(digest)
        return memoryview(self._get(digest))

    def read(self, digest: str, offset: int, length: int) -> bytes:
        view = self.open(digest)
        if not 0 <= offset <= offset + length <= view.nbytes:
            raise bad_range(digest, offset, length, view.nbytes)
        return bytes(view[offset : offset + length])

    def path(self, digest: str) -> Path | None:
        self.open(digest)
        return None

    def put(self, digest: str, body: Buffer) -> None:
        hex_of(digest)
        kept = bytes(body)
        if digest_bytes(kept) != digest:
            raise damaged(digest, "the bytes have another hash")
        with self._lock:
            self._objects[digest] = (kept, self._clock())

    def put_all(self, blobs: Mapping[str, Buffer]) -> None:
        for digest, body in blobs.items():
            self.put(digest, body)

    def adopt(self, path: Path, digest: str = "") -> str:
        with open(open_plain(path), "rb") as file:
            body = file.read()
        digest = digest or digest_bytes(body)
        try:
            self.put(digest, body)
        finally:
            path.unlink()
        return digest

    def receive(self, digest: str, size: int, *, apart: str = "") -> Part:
        hex_of(digest)
        with self._lock:
            at = (apart, digest)
            if not apart and self._sound(digest):
                if self.size(digest) != size:
                    raise damaged(digest, f"it has {self.size(digest):,} bytes, not {size:,}")
                return _MemoryPart(self, at, size, bytearray(self.open(digest)), alone=False)
            alone = at not in self._receiving
            self._receiving.add(at)
            came, _ = self._parts.get(at, (bytearray(), 0.0)) if alone else (bytearray(), 0.0)
            return _MemoryPart(self, at, size, came if len(came) <= size else bytearray(), alone=alone)

    def settle(self, parts: Sequence[Part]) -> set[str]:
        return settle_each(parts)

    def verify(self, digest: str) -> None:
        if digest_bytes(self._get(digest)) != digest:
            self.remove(digest)
            raise damaged(digest, "the bytes have another hash")

    def remove(self, digest: str) -> None:
        hex_of(digest)
        with self._lock:
            self._objects.pop(digest, None)

    def digests(self) -> Iterator[str]:
        with self._lock:
            return iter(list(self._objects))

    def sweep(self, keep: Collection[str], older_than: float) -> set[str]:
        with self._lock:
            before = self._clock() - older_than
            old = {d for d, (_, at) in self._objects.items() if at < before and d not in keep}
            stale = {p for p, (_, at) in self._parts.items() if at < before and p not in self._receiving}
            for digest in old:
                del self._objects[digest]
            for part in stale:
                del self._parts[part]
            return old

    def _sound(self, digest: str) -> bool:
        try:
            self.verify(digest)
        except (NotFound, ObjectDamaged):
            return False
        return bool(self.has([digest]))

    def _get(self, digest: str) -> bytes:
        hex_of(digest)
        found = self._objects.get(digest)
        if found is None:
            raise missing(digest)
        return found[0]

    def _leave(self, part: _MemoryPart) -> None:
        with self._lock:
            if part.alone:
                self._receiving.discard(part.at)
                self._parts.pop(part.at, None)
                if part.came and not part.finished:
                    self._parts[part.at] = (part.came, self._clock())


class _MemoryPart:
    def __init__(
        self, store: MemoryStore, at: tuple[str, str], size: int, came: bytearray, *, alone: bool
    ) -> None:
        self.at, self.digest, self.size, self.alone = at, at[1], size, alone
        self._store, self.came, self.finished = store, came, False

    @property
    def held(self) -> int:
        return len(self.came)

    def write(self, chunk: Buffer) -> None:
        if self.held + memoryview(chunk).nbytes > self.size:
            raise too_long(self.digest, self.size)
        self.came += chunk

    def finish(self) -> None:
        if self.held != self.size:
            raise cut_off(self.digest, self.held, self.size)
        self.finished = True
        self._store.put(self.digest, self.came)

    def close(self) -> None:
        self._store._leave(self)
        self.alone = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def settle_each(parts: Iterable[Part]) -> set[str]:
    """Finish parts one by one; returns the digests of those that were damaged."""
    bad = set()
    for part in parts:
        try:
            part.finish()
        except ObjectDamaged:
            bad.add(part.digest)
    return bad
