"""What the coordinator knows beside its runs: daemons, federations, and what users wish of their runs.

Doesn't know what a record means. Records are kept whole, by kind and name, in `coordinator.db`; the truth is in memory, and
what changed becomes durable in one transaction for all who wait.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import threading
from pathlib import Path
from typing import TypeVar

import msgspec

from atoll.service.coordinator._refusals import Refusal
from atoll.values import JournalError, failpoint, register

VERSION = 1

_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (kind TEXT, name TEXT, body BLOB, PRIMARY KEY (kind, name)) WITHOUT ROWID;
"""
_BEFORE = register("coordinator.before-record", "a session, a federation or a wish is about to be written")
_AFTER = register("coordinator.after-record", "it is durable, nobody was told")

R = TypeVar("R", bound=msgspec.Struct)


class DaemonRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A node or a host: who it is, and the number of its newest session."""

    name: str
    identity: str
    session: int
    version: str = ""
    slots: int = 1
    data: list[str] = []
    labels: dict[str, str] = {}
    resources: dict[str, float] = {}
    skew: float = 0.0
    remove: list[str] = []  # runs whose states this node is to forget


class FederationRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A named set of nodes."""

    name: str
    open: bool = False
    nodes: list[str] = []
    created: float = 0.0


class RunRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is wished of a run: it goes on when it has not ended since event number `resumed`."""

    id: str
    resumed: int = 0
    stopping: bool = False
    host: str = ""
    deaths: int = 0
    progress: int = 0  # at its last death


class Registry:
    """Records by kind and name. Raises `JournalError` (`coordinator.unusable`) when the file can't serve."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._database = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
            if os.name == "posix":
                path.chmod(0o600)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            (version,) = self._database.execute("PRAGMA user_version").fetchone()
            if version < VERSION:
                self._database.executescript(_SCHEMA + f"PRAGMA user_version = {VERSION};")
        except (OSError, sqlite3.Error) as error:
            mend = "choose a folder that you can write to, on a disk with space"
            raise JournalError("coordinator.unusable", f"{path} can't be used: {error}", mend) from error
        self._changed: dict[tuple[str, str], msgspec.Struct | None] = {}
        self._writing: asyncio.Future[None] | None = None
        self._lock = threading.Lock()  # nobody lets go of the file while it is written

    def all(self, kind: str, type: type[R]) -> dict[str, R]:
        """All records of a kind."""
        rows = self._database.execute("SELECT name, body FROM records WHERE kind = ?", (kind,))
        return {name: msgspec.msgpack.decode(body, type=type) for name, body in rows}

    def put(self, kind: str, name: str, record: msgspec.Struct | None) -> None:
        """Change a record, or forget it; durable after `durable`."""
        self._changed[kind, name] = record

    async def durable(self) -> None:
        """Return when everything put is durable. Raises `Refusal` when it can't be now; it is tried again next time."""
        while self._changed or self._writing is not None:
            if self._writing is None:
                self._writing = asyncio.ensure_future(self._write_all())
            await asyncio.shield(self._writing)

    def close(self) -> None:
        """Write what waits, and let go. On a full disk it is not written, and nobody was told that it was."""
        try:
            if self._changed:
                self._write(self._changed)
        except sqlite3.Error as error:
            logging.getLogger("atoll.coordinator").warning("%s can't be written: %s", self._path, error)
        with self._lock:
            self._database.close()

    async def _write_all(self) -> None:
        batch, self._changed = self._changed, {}
        try:
            await asyncio.to_thread(self._write, batch)
        except sqlite3.Error as error:
            self._changed = batch | self._changed
            mend = "make space; nothing is lost, and whoever asked asks again"
            raise Refusal(
                503, "disk.full", f"{self._path} can't be written: {error}", mend, retry=2
            ) from error
        finally:
            self._writing = None

    def _write(self, batch: dict[tuple[str, str], msgspec.Struct | None]) -> None:
        failpoint(_BEFORE)
        kept = [(k, n, msgspec.msgpack.encode(r)) for (k, n), r in batch.items() if r is not None]
        gone = [place for place, record in batch.items() if record is None]
        with self._lock:
            self._transact(kept, gone)
        failpoint(_AFTER)

    def _transact(self, kept: list[tuple[str, str, bytes]], gone: list[tuple[str, str]]) -> None:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            self._database.executemany("INSERT OR REPLACE INTO records VALUES (?, ?, ?)", kept)
            self._database.executemany("DELETE FROM records WHERE kind = ? AND name = ?", gone)
            self._database.execute("COMMIT")
        except sqlite3.Error:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise
