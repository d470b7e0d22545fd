"""A small file that is whole or not there, for its owner's eyes only.

Doesn't know what is in it.
"""

from __future__ import annotations

import os
from pathlib import Path

from atoll.values import sync_folder, write_all


def write_durably(path: Path, content: bytes) -> None:
    """Write beside the path, sync, rename. One thread at a time writes a path."""
    beside = path.with_name(f".{path.name}.part")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        write_all(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(beside, path)
    sync_folder(path.parent)
