"""A store in a folder: `<folder>/<two digits>/<hex>`, what is on its way in `parts/`, what is damaged in `damaged/`.

Doesn't know who else uses the folder, and needn't: files appear under their names whole and durable, by a rename.
An object that this process hasn't hashed yet is hashed when it is first opened, and again when its file has changed.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import mmap
import os
import secrets
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from atoll.store._disk import (
    BEFORE_REMOVE,
    READ,
    lock,
    made,
    modified,
    open_plain,
    rename_all,
    size_of,
    sync_all,
    sync_folders,
    translated,
)
from atoll.store._hashing import CHUNK, hash_file
from atoll.store._landing import Landing
from atoll.store._part import DirectoryPart, PresentPart
from atoll.store._store import Buffer, Part, bad_range, damaged, hex_of, missing
from atoll.values import NotFound, ObjectDamaged, failpoint

RESERVE = 64 << 20  # bytes left free on the disk: for the database, which must be able to say that it is full
_ASIDE = 16  # damaged objects that are kept to be looked at
_GROUP = 64  # objects that are made durable together
_TOUCH = 60  # seconds: an object younger than that needn't be made younger
_FRESH = 5 * _TOUCH  # seconds: an object younger than that is in use
_Seen = tuple[int, int, int]


class _New(NamedTuple):
    """A whole file that is about to become an object, and what it looked like before it was hashed."""

    digest: str
    file: Path
    descriptor: int
    seen: _Seen


class DirectoryStore:
    """Objects in a folder. `reserve`: bytes of the disk that are never filled."""

    def __init__(
        self, folder: Path, *, clock: Callable[[], float] = time.time, reserve: int = RESERVE
    ) -> None:
        self._folder, self._clock, self._damaged = folder, clock, folder / "damaged"
        self._lock = threading.RLock()
        self._seen: dict[str, _Seen] = {}  # what the files looked like when they were last known to be whole
        with translated(folder):
            made(made(folder) / "damaged")
            self._landing = Landing(folder / "parts", reserve=reserve)
            self._reserve, self._apart = reserve, dict[str, Landing]()

    # -- reading -------------------------------------------------------------------------------------------

    def has(self, digests: Iterable[str]) -> set[str]:
        return {d for d in digests if self._touch(d)}

    def held(self, digests: Iterable[str], *, apart: str = "") -> dict[str, int]:
        return self._landing_of(apart).held(digests)

    def size(self, digest: str) -> int:
        try:
            return self._path(digest).stat().st_size
        except FileNotFoundError:
            raise missing(digest) from None

    def open(self, digest: str) -> memoryview:
        with self._whole(digest) as (descriptor, size):
            if not size:
                return memoryview(b"")
            return memoryview(mmap.mmap(descriptor, size, access=mmap.ACCESS_READ))

    def read(self, digest: str, offset: int, length: int) -> bytes:
        with self._whole(digest) as (descriptor, size):
            if not 0 <= offset <= offset + length <= size:
                raise bad_range(digest, offset, length, size)
            os.lseek(descriptor, offset, os.SEEK_SET)
            body = bytearray()
            while piece := os.read(descriptor, min(length - len(body), CHUNK)):
                body += piece
            return bytes(body)

    def path(self, digest: str) -> Path | None:
        with self._whole(digest):
            return self._path(digest)

    def verify(self, digest: str) -> None:
        self._seen.pop(digest, None)
        with self._whole(digest):
            pass

    def digests(self) -> Iterator[str]:
        for folder in self._folder.glob("[0-9a-f][0-9a-f]"):
            for name in os.listdir(folder):
                yield f"sha256:{name}"

    # -- writing -------------------------------------------------------------------------------------------

    def put(self, digest: str, body: Buffer) -> None:
        self.put_all({digest: body})

    def put_all(self, blobs: Mapping[str, Buffer]) -> None:
        lacking = [d for d in blobs if not self._sound(d)]
        for begin in range(0, len(lacking), _GROUP):
            with contextlib.ExitStack() as stack:
                parts = []
                for digest in lacking[begin : begin + _GROUP]:
                    view = memoryview(blobs[digest]).cast("B")
                    part = self._landing.receive(digest, view.nbytes, self._finish, afresh=True)
                    parts.append(stack.enter_context(part))
                    part.write(view, lasting=True)
                if bad := self.settle(parts):
                    raise damaged(min(bad), "the bytes have another hash")

    def adopt(self, path: Path, digest: str = "") -> str:
        beside = self._landing.folder / f"adopted.{secrets.token_hex(8)}"
        with translated(self._folder):
            own = _moved(
                path, beside
            )  # before it is hashed: who wrote it can't reach it by its name any more
            descriptor = open_plain(beside if own else path)
            try:
                lock(descriptor, beside)
                seen = self._aged(beside if own else path, descriptor)
                size, found = os.fstat(descriptor).st_size, hashlib.sha256()
                hash_file(descriptor, found, size)
                name = f"sha256:{found.hexdigest()}"
                if digest not in ("", name):
                    raise damaged(digest, "the file has another hash")
                if own:
                    self._name([_New(name, beside, descriptor, seen)])
                else:
                    self._copy(name, descriptor, size)
            finally:
                os.close(descriptor)
                (beside if own else path).unlink(missing_ok=True)
        return name

    def receive(self, digest: str, size: int, *, apart: str = "") -> Part:
        if apart:
            return self._landing_of(apart).receive(digest, size, self._finish)
        if self._sound(digest):
            if self.size(digest) != size:
                raise damaged(digest, f"it has {self.size(digest):,} bytes, not {size:,}")
            return PresentPart(digest, size)
        return self._landing.receive(digest, size, self._finish)

    def settle(self, parts: Sequence[Part]) -> set[str]:
        mine = [p for p in parts if isinstance(p, DirectoryPart)]
        good = [p for p in mine if p.whole()]
        bad = [p for p in mine if p not in good]
        for part in bad:
            self._put_aside(part.file, hex_of(part.digest))
        if good:
            self._name([_New(p.digest, p.file, p.descriptor, self._aged(p.file, p.descriptor)) for p in good])
        return {p.digest for p in bad}

    def remove(self, digest: str) -> None:
        with self._lock, translated(self._folder):
            self._seen.pop(digest, None)
            failpoint(BEFORE_REMOVE)
            self._path(digest).unlink(missing_ok=True)

    def sweep(self, keep: Collection[str], older_than: float) -> set[str]:
        before, gone = self._clock() - older_than, set()
        for digest in self.digests():
            if digest not in keep:
                with self._lock:  # nobody makes it young between the look and the removal
                    if modified(self._path(digest)) < before:
                        self.remove(digest)
                        gone.add(digest)
        self._landing.sweep(before)
        for name in [p.name for p in (self._folder / "apart").glob("*")]:
            self._landing_in(name).sweep(before)
        for path in [p for p in self._damaged.iterdir() if modified(p) < before]:
            path.unlink(missing_ok=True)
        return gone

    def trim(self, room: int) -> None:
        """Forget objects until they have no more than so many bytes, the oldest first: for a folder that is a cache.

        Those that came or were asked for in the last minutes stay.
        """
        before = self._clock() - _FRESH
        rows = sorted((modified(p), size_of(p), d) for d in self.digests() for p in [self._path(d)])
        over = sum(size for _, size, _ in rows) - room
        for age, size, digest in rows:
            if over > 0 and age < before:
                self.remove(digest)
                over -= size

    # -- within --------------------------------------------------------------------------------------------

    def _landing_of(self, apart: str) -> Landing:
        """Where parts land; a name is hashed, so that any will do for a folder."""
        return self._landing_in(hashlib.sha256(apart.encode()).hexdigest()[:32]) if apart else self._landing

    def _landing_in(self, folder: str) -> Landing:
        with self._lock, translated(self._folder):
            if folder not in self._apart:
                made(self._folder / "apart")
                self._apart[folder] = Landing(self._folder / "apart" / folder, reserve=self._reserve)
            return self._apart[folder]

    def _path(self, digest: str) -> Path:
        name = hex_of(digest)
        return self._folder / name[:2] / name

    def _touch(self, digest: str) -> bool:
        path = self._path(digest)
        with self._lock:
            try:
                found = path.stat()
                if self._clock() - found.st_mtime > _TOUCH:
                    now = self._clock()
                    os.utime(path, (now, now))
                    if self._seen.get(digest) == _look(found):
                        self._seen[digest] = _look(path.stat())
            except FileNotFoundError:
                return False
        return True

    def _sound(self, digest: str) -> bool:
        """Whether the object is here, and whole."""
        try:
            with self._whole(digest):
                return self._touch(digest)
        except (NotFound, ObjectDamaged):
            return False

    @contextlib.contextmanager
    def _whole(self, digest: str) -> Iterator[tuple[int, int]]:
        """An open file known to hold the object, and its size."""
        path = self._path(digest)
        try:
            descriptor = os.open(path, READ)
        except FileNotFoundError:
            raise missing(digest) from None
        try:
            with translated(self._folder):
                found = os.fstat(descriptor)
                if self._seen.get(digest) != _look(found):
                    hasher = hashlib.sha256()
                    hash_file(descriptor, hasher, found.st_size)
                    if f"sha256:{hasher.hexdigest()}" != digest:
                        self._put_aside(path, hex_of(digest), found)
                        raise damaged(digest, "its bytes on the disk have changed")
                    self._seen[digest] = _look(found)
            yield descriptor, found.st_size
        finally:
            os.close(descriptor)

    def _finish(self, part: DirectoryPart) -> None:
        if self.settle([part]):
            raise damaged(part.digest, "the bytes that came have another hash")

    def _copy(self, digest: str, descriptor: int, size: int) -> None:
        """Take in a file of another disk. It is hashed again: it may have changed since."""
        with self._landing.receive(digest, size, self._finish, afresh=True) as part:
            os.lseek(descriptor, 0, os.SEEK_SET)
            while chunk := os.read(descriptor, CHUNK):
                part.write(chunk)
            part.finish()

    def _aged(self, file: Path, descriptor: int) -> _Seen:
        """Date a file; whoever writes to it from now on changes what it looks like, and makes it be hashed again."""
        with translated(self._folder):
            now = self._clock()
            os.utime(file, (now, now))
            return _look(os.fstat(descriptor))

    def _name(self, files: list[_New]) -> None:
        """Make whole files objects, durably."""
        with translated(self._folder):
            try:
                sync_all(new.descriptor for new in files)
            except OSError:  # what the disk didn't take it may have forgotten, though it can still be read
                for new in files:
                    new.file.unlink(missing_ok=True)
                raise
            moves = [(new.file, made(self._path(new.digest).parent) / hex_of(new.digest)) for new in files]
            with self._lock:  # a sweep must not take the new one for the old one that it has looked at
                rename_all(moves)
            sync_folders({target.parent for _, target in moves})
            for new, (_, target) in zip(files, moves, strict=True):
                self._seen[new.digest] = new.seen
                with contextlib.suppress(FileNotFoundError):  # somebody has removed it already
                    os.chmod(target, 0o444)

    def _put_aside(self, file: Path, name: str, found: os.stat_result | None = None) -> None:
        with self._lock, translated(self._folder), contextlib.suppress(FileNotFoundError):
            if found is None or os.path.samestat(found, os.stat(file)):  # not the good one that came since
                os.replace(file, self._damaged / f"{name}.{secrets.token_hex(4)}")
            aside = sorted(self._damaged.iterdir(), key=modified, reverse=True)
            for path in aside[_ASIDE:]:  # whoever sends rubbish can't fill the disk
                path.unlink(missing_ok=True)


def _moved(path: Path, beside: Path) -> bool:
    """Whether a file could be taken away: it is on the same disk, and has no second name."""
    try:
        if path.lstat().st_nlink == 1:
            os.rename(path, beside)
            return True
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.ENOENT):  # `open_plain` tells of what isn't there
            raise
    return False


def _look(found: os.stat_result) -> _Seen:
    return found.st_ino, found.st_size, found.st_mtime_ns
