"""Writing files so that a crash leaves the old one or the new one, never a part.

Doesn't know what is in them.
"""

from __future__ import annotations

import os
from pathlib import Path

_CHUNK = 8 << 20  # bytes handed to one write


def write_privately(path: Path, content: bytes) -> None:
    """Write a file for its owner's eyes alone, durably: all of it or nothing. Raises `OSError`."""
    beside = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    try:
        try:
            write_all(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(beside, path)
    except BaseException:  # it is raised on; what is left of the file goes
        beside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_all(descriptor: int, part: bytes | memoryview) -> None:
    """Write every byte, some megabytes at a time."""
    view = memoryview(part)
    while view.nbytes:
        view = view[os.write(descriptor, view[:_CHUNK]) :]


def sync_folder(folder: Path) -> None:
    """Make a rename inside a folder durable (where the system can open folders)."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
