"""What a worker tells of the data that it opens, and of what it computes with: no more than the node's owner allows.

Doesn't know how it travels. It is said once, with the answer to the call that opened it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from atoll.data import fingerprint, rows_of
from atoll.runtime import versions
from atoll.wire import DataSet

NAMES, ROWS, FINGERPRINTS = "names", "rows", "fingerprints"  # each tells what the one before tells, and more
SALTED = "salted-"


class Telling:
    """Remembers what was told. The salt is the node's: its fingerprints compare with one another, and with nobody else's."""

    def __init__(self, tell: str, salt: bytes) -> None:
        self._tell, self._salt = tell, salt
        self._told: set[str] = set()
        self._first = True

    def more(self, opened: Mapping[str, Any]) -> tuple[list[DataSet], dict[str, str]]:
        """What is new of data, and, the first time, the versions."""
        new = [self._set(name, opened[name]) for name in opened if name not in self._told]
        self._told.update(opened)
        first, self._first = self._first, False
        return new, versions() if first else {}

    def _set(self, name: str, dataset: Any) -> DataSet:
        rows = rows_of(dataset) if self._tell in (ROWS, FINGERPRINTS) else None
        salted = self._tell == FINGERPRINTS and self._salt
        return DataSet(name, rows, f"{SALTED}{fingerprint(dataset, salt=self._salt)}" if salted else "")
