"""The journal of one machine: SQLite for events, files beside it for large arrays.

Doesn't know what the events mean, but for the summary that is derived from them.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path

import msgspec

from atoll.journal._events import Created, Event, Finished, decode
from atoll.journal._files import Files
from atoll.journal._journal import Entry
from atoll.journal._lock import FileLock, is_locked
from atoll.journal._nudge import Watcher, nudge
from atoll.journal._summary import INTERRUPTED, RUNNING, Summary, pick, unused_name
from atoll.journal._writer import Writer
from atoll.values import Arrays, JournalError

VERSION = 1
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
            self._reader = connect(self.home / "journal.db")
            self._prepare()
        except (OSError, sqlite3.Error) as error:
            mend = "set ATOLL_HOME to a folder that you can write to, on a disk with space"
            raise JournalError(
                "journal.unusable", f"the journal in {self.home} can't be used: {error}", mend
            ) from error
        self._writer: Writer | None = None

    def create(self, created: Created) -> Created:
        summaries = self._summaries()
        if any(s.name == created.name for s in summaries):
            raise JournalError(
                "run.name-taken", f"there is a run named `{created.name}` already", "choose another --name"
            )
        if not created.name:
            app = str(created.app.get("name", ""))
            created = msgspec.structs.replace(created, name=unused_name(app, (s.name for s in summaries)))
        self._folder(created.id).mkdir(parents=True, exist_ok=True)
        self.append(created.id, created)
        self.flush()
        return created

    def append(self, run: str, entry: Entry, *, nbytes: int = 0) -> None:
        if self._writer is None:
            self._writer = Writer(self.home / "journal.db", self._files, notify=self._nudge)
        self._writer.append(run, entry, nbytes)

    def flush(self) -> None:
        if self._writer is not None:
            self._writer.flush()

    def events(self, run: str, after: int = 0) -> Iterator[tuple[int, Event]]:
        rows = self._reader.execute(
            "SELECT seq, body FROM events WHERE run = ? AND seq > ? ORDER BY seq", (run, after)
        )
        for number, body in rows:
            try:
                yield number, decode(body)
            except msgspec.ValidationError as error:
                mend = "use the version of atoll that wrote it, or a newer one"
                raise JournalError(
                    "journal.unreadable", f"event {number} of run {run} can't be read: {error}", mend
                ) from error

    def runs(self) -> list[Summary]:
        return [self._seen(s) for s in self._summaries()]

    def find(self, reference: str) -> Summary:
        return self._seen(pick(reference, self._summaries()))

    def arrays(self, run: str, key: str) -> Arrays:
        inline = self._reader.execute(
            "SELECT body FROM objects WHERE run = ? AND key = ?", (run, key)
        ).fetchone()
        return self._files(run).read(key, inline[0] if inline else None)

    def keep_only(self, run: str, keys: Collection[str]) -> None:
        self.flush()
        stored = self._reader.execute("SELECT key FROM objects WHERE run = ?", (run,)).fetchall()
        useless = [(run, key) for (key,) in stored if key not in keys]
        self._reader.executemany("DELETE FROM objects WHERE run = ? AND key = ?", useless)
        self._files(run).keep_only(keys)

    def remove(self, run: str) -> None:
        hold = self.hold(run)
        try:
            self.flush()
            with self._reader as database:
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
                for number, event in list(self.events(run, after)):
                    after = number
                    yield number, event
                    if isinstance(event, Finished):
                        return
                if not live:
                    return
                watcher.wait(_LIVENESS)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._reader.close()

    def _prepare(self) -> None:
        (version,) = self._reader.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            mend = "upgrade atoll, or set ATOLL_HOME to another folder"
            raise JournalError(
                "journal.newer", f"the journal in {self.home} was written by a newer atoll", mend
            )
        if version < VERSION:
            self._reader.executescript(_SCHEMA + f"PRAGMA user_version = {VERSION};")

    def _summaries(self) -> list[Summary]:
        rows = self._reader.execute("SELECT summary FROM runs ORDER BY created DESC, rowid DESC")
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
        nudge(self._folder(run) / "watch")


def connect(path: Path) -> sqlite3.Connection:
    """A connection for durable, concurrent use: write-ahead log, every commit synced."""
    database = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
    if os.name == "posix":
        path.chmod(0o600)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    return database
