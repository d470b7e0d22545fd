"""Memory that processes of one run share: arrays as files on a memory disk, mapped and not copied.

Doesn't know what they are. A folder whose owner is gone, however it ended, is swept by the next owner.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from atoll.journal import FileLock, is_locked
from atoll.values import Arrays, map_file, pack, parts, to_bytes, unpack, unpack_buffer, write_all, write_file

INLINE = 64 << 10  # bytes; smaller payloads ride inside the message
_MEMORY_DISK = Path("/dev/shm")
SPARE_BYTES = 64 << 20  # of memory that is kept to be written over
_PREFIX = "atoll-arena-"


class Parcel(msgspec.Struct, frozen=True, array_like=True):
    """A payload on its way between two processes: its bytes, or the file that holds them."""

    inline: bytes = b""
    path: str = ""


class Arena:
    """A folder for one run's parcels, owned by the process that made it."""

    def __init__(self, folder: Path | None = None) -> None:
        self._lock: FileLock | None = None
        if folder is None:
            parent = _MEMORY_DISK if os.access(_MEMORY_DISK, os.W_OK) else Path(tempfile.gettempdir())
            _sweep(parent)
            hidden = Path(tempfile.mkdtemp(prefix=f".{_PREFIX}", dir=parent))
            self._lock = FileLock(hidden / "lock", what="a worker pool")
            folder = hidden.rename(parent / hidden.name[1:])  # nobody sweeps it before it is locked
        self.folder = folder
        self._spare: list[
            str
        ] = []  # files that nobody reads any more: writing over one is five times as quick as a new one

    def put(self, payload: Mapping[str, Any], name: str, *, over: str = "") -> Parcel:
        """Pack a payload, over a spare file when there is one. On a full memory disk it goes to the ordinary one."""
        packed = pack(payload)
        if packed.layout.size <= INLINE:
            return Parcel(inline=to_bytes(packed))
        if over and _written_over(over, packed):
            return Parcel(path=over)
        path = self.folder / name
        try:
            write_file(path, packed, durable=False)
        except OSError:
            path = Path(tempfile.gettempdir()) / f"{self.folder.name}-{name}"
            write_file(path, packed, durable=False)
        return Parcel(path=str(path))

    def take(self, parcel: Parcel) -> dict[str, Any]:
        """The payload that another process put, as views; when they are gone, its file is spare."""
        if not parcel.path:
            return opened(parcel, once=True)
        packed, _ = map_file(Path(parcel.path))
        weakref.finalize(packed.owner, self.spare, parcel.path).atexit = False
        return unpack(packed)

    def spare(self, path: str) -> None:
        """Nobody reads this file any more."""
        size = os.stat(path).st_size if os.path.exists(path) else SPARE_BYTES
        if size * (len(self._spare) + 1) < SPARE_BYTES:
            self._spare.append(path)
        else:
            discard(Parcel(path=path))

    def lend(self) -> str:
        """A spare file to write over, or nothing."""
        return self._spare.pop() if self._spare else ""

    def close(self) -> None:
        """Remove the folder and all in it."""
        if self._lock is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
            self._lock.release()
            for left in Path(tempfile.gettempdir()).glob(f"{self.folder.name}-*"):
                left.unlink(missing_ok=True)


def _written_over(path: str, packed: Arrays) -> bool:
    """Write arrays over a file. Whether there was room."""
    try:
        descriptor = os.open(path, os.O_WRONLY)
    except OSError:
        return False
    try:
        for part in parts(packed.layout, packed):
            write_all(descriptor, part)
        os.ftruncate(descriptor, packed.layout.size)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def opened(parcel: Parcel, *, once: bool) -> dict[str, Any]:
    """The payload, as views of its bytes. `once`: nobody else will open it, so the file is freed with the views."""
    if not parcel.path:
        return unpack_buffer(parcel.inline) if parcel.inline else {}
    packed, _ = map_file(Path(parcel.path))
    if once:
        discard(parcel)
    return unpack(packed)


def discard(parcel: Parcel) -> None:
    """Remove a parcel's file; whoever has it mapped keeps its pages."""
    if parcel.path:
        with contextlib.suppress(OSError):  # where a mapped file can't be removed, it goes with the folder
            os.unlink(parcel.path)


def _sweep(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if _mine(folder) and (folder / "lock").exists() and not is_locked(folder / "lock"):
                shutil.rmtree(folder, ignore_errors=True)


def _mine(folder: Path) -> bool:
    return not hasattr(os, "getuid") or folder.stat().st_uid == os.getuid()
