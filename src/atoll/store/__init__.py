"""Objects: immutable bytes named by their hash.

Doesn't know what they mean, or who may see them. `Store` is the seam; in memory, a directory and S3 are three sides of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from atoll.store._store import Buffer, Part, Store, digest_bytes, hex_of

if TYPE_CHECKING:
    from atoll.store._directory import DirectoryStore
    from atoll.store._memory import MemoryStore
    from atoll.store._s3 import S3Store

__all__ = ["Buffer", "DirectoryStore", "MemoryStore", "Part", "S3Store", "Store", "digest_bytes", "hex_of"]

_ROOMS = {"DirectoryStore": "_directory", "MemoryStore": "_memory", "S3Store": "_s3"}


def __getattr__(name: str) -> Any:
    if name in _ROOMS:  # with what it needs: obstore, for S3
        from importlib import import_module

        value = globals()[name] = getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
