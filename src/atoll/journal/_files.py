"""The arrays of one run on disk: small ones go into the database, large ones are files named by their digest.

Doesn't know which event names them.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection
from pathlib import Path

from atoll.values import (
    Arrays,
    ArraysError,
    NotFound,
    failpoint,
    from_buffer,
    map_file,
    register,
    to_bytes,
    write_file,
)

INLINE = 64 << 10  # bytes; larger ones are files

_BEFORE_FILE = register("journal.before-file", "large arrays are about to be written")
_AFTER_FILE = register("journal.after-file", "large arrays are durable, the event that names them is not")


class Files:
    """The folder of one run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._prefix = f"{folder}{os.sep}"

    def write(self, kind: str, arrays: Arrays) -> tuple[str, bytes | None]:
        """Keep arrays; return their key, and their bytes when the database is to hold them."""
        key = f"{kind}-{arrays.digest.replace(':', '-')}"
        if arrays.layout.size <= INLINE:
            return key, to_bytes(arrays)
        path = self._path(key)
        if not path.exists():
            failpoint(_BEFORE_FILE)
            write_file(path, arrays)
            failpoint(_AFTER_FILE)
        return key, None

    def read(self, key: str, inline: bytes | None) -> Arrays:
        """The arrays behind a key, mapped when they are a file. Raises `NotFound`, `ArraysError`."""
        try:
            if inline is not None:
                return from_buffer(inline, source=key)[0]
            return map_file(self._path(key))[0]
        except FileNotFoundError:
            raise NotFound("object.unknown", f"{self._folder.name} keeps no object `{key}`") from None
        except ArraysError as error:
            raise ArraysError(error.code, error.message, "the disk lost bytes: run the app again") from error

    def drop(self, key: str) -> None:
        """Forget a file; one that is not there is forgotten already."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{self._prefix}{key}.safetensors")

    def keep_only(self, keys: Collection[str]) -> None:
        """Forget every file but these, and what a crash left half written."""
        for path in [*self._folder.glob("*.safetensors"), *self._folder.glob(".*.part")]:
            if path.stem not in keys:
                path.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.safetensors"
