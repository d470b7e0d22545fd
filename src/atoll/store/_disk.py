"""What a store asks of a disk: room, locks, durable writes and renames; and its failures in words.

Doesn't know of objects.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from atoll.values import DiskFull, StoreError, failpoint, register, sync_folder

BEFORE_WRITE = register("store.before-write", "bytes of an object are about to be written")
AFTER_WRITE = register("store.after-write", "bytes of an object are written, not yet durable")
BEFORE_SYNC = register("store.before-sync", "an object is whole, not yet durable")
BEFORE_RENAME = register("store.before-rename", "an object's bytes are durable, its name isn't there")
AFTER_RENAME = register("store.after-rename", "an object has its name, which isn't durable yet")
AFTER_SYNC = register("store.after-sync", "an object is durable, nobody has been told")
BEFORE_REMOVE = register("store.before-remove", "an object is about to be removed")

_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
_AT_ONCE = 8  # syncs: a journaling file system makes those that wait together into one
_BINARY = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
READ, BOTH = os.O_RDONLY | _BINARY, os.O_RDWR | os.O_CREAT | _BINARY
T = TypeVar("T")


@contextlib.contextmanager
def translated(folder: Path) -> Iterator[None]:
    """The system's failures as errors of a store."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise full(folder) from error
        raise StoreError(
            "store.unusable",
            f"the objects in {folder} can't be used: {error}",
            "mend the disk or its permissions",
        ) from error


def full(folder: Path, needed: int = 0) -> DiskFull:
    """There is no room."""
    what = (
        f"the disk is full: no room for {needed:,} bytes in {folder}"
        if needed
        else f"the disk of {folder} is full"
    )
    return DiskFull("disk.full", what, "free some space: what waits goes on by itself")


def room(folder: Path) -> int:
    """Free bytes of a folder's disk."""
    return shutil.disk_usage(folder).free


def modified(path: Path) -> float:
    """When a file was last written to; never, as long as it is not there."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


def size_of(path: Path) -> int:
    """Bytes of a file; none when it is not there."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def open_plain(path: Path) -> int:
    """Open what somebody else has left there, if it is a file and nothing but that: no link, no pipe."""
    flags = READ | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        raise _not_a_file(path) from error
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise _not_a_file(path)


def _not_a_file(path: Path) -> StoreError:
    return StoreError(
        "object.not-a-file", f"{path} is no file that can become an object", "write a file there"
    )


def write_some(descriptor: int, view: memoryview) -> int:
    """Write some of the bytes; returns how many."""
    failpoint(BEFORE_WRITE)
    written = os.write(descriptor, view)
    failpoint(AFTER_WRITE)
    return written


def begin_writing(descriptor: int, offset: int, length: int) -> None:
    """Set the disk to work on bytes that were written, and don't wait for it: less is left for the sync.

    Linux starts to write back dirty pages that one declares not to need, and keeps them.
    """
    if sys.platform == "linux":
        os.posix_fadvise(descriptor, offset, length, os.POSIX_FADV_DONTNEED)


def sync_all(descriptors: Iterable[int]) -> None:
    """Make the files' bytes durable, together."""
    failpoint(BEFORE_SYNC)
    _together(getattr(os, "fdatasync", os.fsync), list(descriptors))


def rename_all(moves: list[tuple[Path, Path]]) -> None:
    """Give files their names."""
    failpoint(BEFORE_RENAME)
    for source, target in moves:
        os.replace(source, target)
    failpoint(AFTER_RENAME)


def sync_folders(folders: Iterable[Path]) -> None:
    """Make the names in folders durable, together."""
    _together(sync_folder, list(folders))
    failpoint(AFTER_SYNC)


def made(folder: Path) -> Path:
    """The folder, durably there."""
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        sync_folder(folder.parent)
    return folder


def _together(sync: Callable[[T], object], what: list[T]) -> None:
    if len(what) == 1:
        sync(what[0])
    elif what:
        with ThreadPoolExecutor(min(_AT_ONCE, len(what))) as threads:
            for _ in threads.map(sync, what):
                pass


def lock(descriptor: int, path: Path) -> bool:
    """Take the lock of an open file, if nobody has it and the file is still at its path."""
    if not _lock(descriptor):
        return False
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


if sys.platform == "win32":
    import msvcrt

    _FAR = 1 << 62  # a lock keeps others from reading what it covers

    def _lock(descriptor: int) -> bool:
        at = os.lseek(descriptor, 0, os.SEEK_CUR)
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(descriptor, at, os.SEEK_SET)
        return True

else:
    import fcntl

    def _lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
