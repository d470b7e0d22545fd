"""The journal of one machine: SQLite for events, files beside it for large arrays.

Doesn't know what the events mean, but for the summary that is derived from them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import msgspec

from atoll.journal._events import Created, Event, Finished, decode, encode
from atoll.journal._files import Files
from atoll.journal._journal import Batch, Entry
from atoll.journal._lock import FileLock, is_locked, one_at_a_time
from atoll.journal._nudge import Watcher, nudge
from atoll.journal._summary import (
    INTERRUPTED,
    RUNNING,
    Summary,
    admitted,
    named_among,
    names_among,
    pick,
    project,
)
from atoll.journal._writer import Writer
from atoll.values import Arrays, JournalError, NotFound

VERSION = 1
_BATCH = 1000  # events read at once
_LIVENESS = 1.0  # seconds between two looks at whether a silent run's process is still there

_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (run TEXT, seq INTEGER, kind TEXT, body BLOB, PRIMARY KEY (run, seq)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS runs (id TEXT PRIMARY KEY, name TEXT UNIQUE, created REAL, summary BLOB);
CREATE TABLE IF NOT EXISTS objects (run TEXT, key TEXT, body BLOB, PRIMARY KEY (run, key));
"""


class SqliteJournal:
    """Events in `<home>/journal.db`, arrays over 64 KiB in `<home>/runs/<run>/`.

    Raises `JournalError` (`journal.unusable`, `journal.newer`) when the folder can't serve.
    """

    durable = True

    def __init__(self, home: str | Path) -> None:
        self.home = Path(home).expanduser()
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            with one_at_a_time(
                self.home / "journal.lock"
            ):  # SQLite itself does not wait to begin a write-ahead log
                self._reader = connect(self.home / "journal.db")
                self._prepare()
        except (OSError, sqlite3.Error) as error:
            mend = "set ATOLL_HOME to a folder that you can write to, on a disk with space"
            raise JournalError(
                "journal.unusable", f"the journal in {self.home} can't be used: {error}", mend
            ) from error
        self._one_writer = threading.Lock()
        self._closed = False
        self._writer: Writer | None = None

    def create(self, created: Created, *, among: str = "") -> Created:
        with self._writing() as database:  # one transaction: two processes may be choosing names
            names = (name for (name,) in database.execute("SELECT name FROM runs"))
            created = admitted(created, names_among(names, among))
            self._folder(created.id).mkdir(parents=True, exist_ok=True)
            database.execute("INSERT INTO events VALUES (?, 1, 'created', ?)", (created.id, encode(created)))
            name, summary = named_among(created.name, among), msgspec.msgpack.encode(project(None, created))
            row = (created.id, name, created.time, summary)
            database.execute("INSERT INTO runs VALUES (?, ?, ?, ?)", row)
        return created

    def append(self, run: str, entry: Entry, *, nbytes: int = 0) -> None:
        writer = self._writer or self._begin_writing()
        writer.append(run, lambda shelf: (entry(shelf) if callable(entry) else entry,), nbytes)

    def append_all(self, run: str, batch: Batch, *, nbytes: int = 0) -> None:
        writer = self._writer or self._begin_writing()
        writer.append(run, batch, nbytes)

    def when_durable(self, then: Callable[[Exception | None], None]) -> None:
        writer = self._writer
        if writer is None:
            then(None)
        else:
            writer.when_durable(then)

    def revive(self) -> None:
        with self._one_writer:
            if self._writer is not None and self._writer.failed:
                self._writer = None  # its thread has ended

    def flush(self) -> None:
        if self._writer is not None:
            self._writer.flush()

    def events(self, run: str, after: int = 0) -> Iterator[tuple[int, Event]]:
        select = "SELECT seq, body FROM events WHERE run = ? AND seq > ? ORDER BY seq LIMIT ?"
        if not self._rows("SELECT 1 FROM runs WHERE id = ?", run):
            raise NotFound("run.unknown", f"there is no run `{run}`")
        while rows := self._rows(select, run, after, _BATCH):
            for number, body in rows:
                yield number, _decoded(run, number, body)
            after = rows[-1][0]

    def encoded(self, run: str, after: int = 0, *, limit: int = 1000) -> list[tuple[int, bytes]]:
        select = "SELECT seq, body FROM events WHERE run = ? AND seq > ? ORDER BY seq LIMIT ?"
        if not self._rows("SELECT 1 FROM runs WHERE id = ?", run):
            raise NotFound("run.unknown", f"there is no run `{run}`")
        return self._rows(select, run, after, limit)

    def runs(self) -> list[Summary]:
        return [self._seen(s) for s in self._summaries()]

    def find(self, reference: str) -> Summary:
        return self._seen(pick(reference, self._summaries()))

    def arrays(self, run: str, key: str) -> Arrays:
        inline = self._rows("SELECT body FROM objects WHERE run = ? AND key = ?", run, key)
        return self._files(run).read(key, inline[0][0] if inline else None)

    def body(self, run: str, key: str) -> bytes:
        found = self._rows("SELECT body FROM objects WHERE run = ? AND key = ?", run, key)
        if not found:
            raise NotFound("object.unknown", f"run `{run}` keeps no object `{key}`")
        body: bytes = found[0][0]
        return body

    def bodies(self, run: str) -> Iterator[tuple[str, bytes]]:
        for (key,) in self._rows("SELECT key FROM objects WHERE run = ?", run):
            for (body,) in self._rows("SELECT body FROM objects WHERE run = ? AND key = ?", run, key):
                yield key, body

    def keep_only(self, run: str, keys: Collection[str]) -> None:
        self.flush()
        with self._writing() as database:
            stored = database.execute("SELECT key FROM objects WHERE run = ?", (run,)).fetchall()
            useless = [(run, key) for (key,) in stored if key not in keys]
            database.executemany("DELETE FROM objects WHERE run = ? AND key = ?", useless)
        self._files(run).keep_only(keys)

    def remove(self, run: str) -> None:
        if not self._rows("SELECT 1 FROM runs WHERE id = ?", run):
            raise NotFound("run.unknown", f"there is no run `{run}`")
        hold = self.hold(run)
        try:
            self.flush()
            with self._writing() as database:
                for table, column in (("events", "run"), ("objects", "run"), ("runs", "id")):
                    database.execute(f"DELETE FROM {table} WHERE {column} = ?", (run,))
        finally:
            hold.release()
        shutil.rmtree(self._folder(run), ignore_errors=True)

    def hold(self, run: str) -> FileLock:
        folder = self._folder(run)
        folder.mkdir(parents=True, exist_ok=True)
        return FileLock(folder / "lock", what=f"run `{run}`")

    def held(self, run: str) -> bool:
        return is_locked(self._folder(run) / "lock")

    def follow(self, run: str, after: int = 0) -> Iterator[tuple[int, Event]]:
        with Watcher(self._folder(run) / "watch") as watcher:
            while True:
                live = self.held(run)
                last: Event | None = None
                for number, last in self.events(run, after):
                    after = number
                    yield number, last
                if not live or isinstance(last, Finished):
                    return
                watcher.wait(_LIVENESS)

    def close(self) -> None:
        with self._one_writer:
            writer, self._writer, self._closed = self._writer, None, True
        if writer is not None:
            writer.close()
        self._reader.close()

    def _begin_writing(self) -> Writer:
        with self._one_writer:
            if self._closed:  # a client left behind at its deadline may still have something to say
                raise JournalError("journal.closed", f"the journal in {self.home} is closed")
            if self._writer is None:
                self._writer = Writer(self.home / "journal.db", self._files, notify=self._nudge)
            return self._writer

    def _prepare(self) -> None:
        (version,) = self._reader.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            mend = "upgrade atoll, or set ATOLL_HOME to another folder"
            raise JournalError(
                "journal.newer", f"the journal in {self.home} was written by a newer atoll", mend
            )
        if version < VERSION:
            self._reader.executescript(_SCHEMA + f"PRAGMA user_version = {VERSION};")

    def _rows(self, select: str, *values: object) -> list[Any]:
        try:
            return self._reader.execute(select, values).fetchall()
        except sqlite3.Error as error:
            mend = "bring journal.db back from a copy; models lie beside it in runs/, as safetensors files"
            raise JournalError(
                "journal.damaged", f"the journal in {self.home} can't be read: {error}", mend
            ) from error

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction of this thread's own, for what does not go through the writer; all of it, or nothing."""
        try:
            with self._reader as database:
                database.execute("BEGIN IMMEDIATE")
                yield database
        except (OSError, sqlite3.Error) as error:
            mend = "make space, or mend the disk or its permissions"
            raise JournalError(
                "journal.write-failed", f"the journal in {self.home} can't be written: {error}", mend
            ) from error

    def _summaries(self) -> list[Summary]:
        rows = self._rows("SELECT summary FROM runs ORDER BY created DESC, rowid DESC")
        return [msgspec.msgpack.decode(body, type=Summary) for (body,) in rows]

    def _seen(self, summary: Summary) -> Summary:
        if summary.status == RUNNING and not self.held(summary.id):
            return msgspec.structs.replace(summary, status=INTERRUPTED)
        return summary

    def _folder(self, run: str) -> Path:
        return self.home / "runs" / run

    def _files(self, run: str) -> Files:
        return Files(self._folder(run))

    def _nudge(self, run: str) -> None:
        nudge(f"{self.home}/runs/{run}/watch")


def _decoded(run: str, number: int, body: bytes) -> Event:
    try:
        return decode(body)
    except msgspec.MsgspecError as error:
        mend = "use the version of atoll that wrote it, or a newer one"
        raise JournalError(
            "journal.unreadable", f"event {number} of run {run} can't be read: {error}", mend
        ) from error


def connect(path: Path) -> sqlite3.Connection:
    """A connection for durable, concurrent use: write-ahead log, every commit synced."""
    database = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
    if os.name == "posix":
        path.chmod(0o600)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    return database
