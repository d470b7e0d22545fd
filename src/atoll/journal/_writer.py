"""The one thread that writes a journal: entries in order, many in one durable transaction.

Doesn't know what the entries mean. This is the commit primitive: what it acknowledges survives a power cut.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from atoll.journal._events import Event, encode
from atoll.journal._files import Files
from atoll.journal._journal import Batch
from atoll.journal._summary import Summary, project
from atoll.values import Arrays, AtollError, JournalError, failpoint, register

ROOM = 64 << 20  # bytes that may wait to be written
GROUP = 512  # batches in one transaction

_BEFORE_BUILD = register("journal.before-build", "entries wait, nothing is written yet")
_BEFORE_COMMIT = register("journal.before-commit", "the transaction is filled, not committed")
_AFTER_COMMIT = register("journal.after-commit", "the transaction is durable, nobody was told")
_BEFORE_DROP = register("journal.before-drop", "objects that the event made useless are still there")
_AFTER_DROP = register("journal.after-drop", "objects are dropped")


class _Waiting(NamedTuple):
    run: str
    batch: Batch
    nbytes: int


class Writer:
    """Group commit: while one transaction is synced to disk, the next one gathers."""

    def __init__(self, path: Path, files: Callable[[str], Files], *, notify: Callable[[str], None]) -> None:
        self._path, self._files, self._notify = path, files, notify
        self._queue: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._pending_bytes = 0
        self._unwritten = 0
        self._appended = self._written = 0
        self._callbacks: deque[tuple[int, Callable[[Exception | None], None]]] = deque()
        self._failure: Exception | None = None
        self._closing = False
        self._numbers: dict[str, int] = {}
        self._rooms: dict[str, Files] = {}
        self._summaries: dict[str, Summary | None] = {}
        self._thread = threading.Thread(target=self._work, name="atoll-journal", daemon=True)
        self._thread.start()

    def append(self, run: str, batch: Batch, nbytes: int) -> None:
        """Put a batch in line; wait while too many bytes do."""
        with self._changed:
            if (self._pending_bytes and self._pending_bytes + nbytes > ROOM) or self._unwritten > 8 * GROUP:
                self._changed.wait_for(self._has_room(nbytes))
            self._raise_failure()
            self._queue.append(_Waiting(run, batch, nbytes))
            self._pending_bytes += nbytes
            self._unwritten += 1
            self._appended += 1
            if self._unwritten == 1:
                self._changed.notify_all()

    def flush(self) -> None:
        """Wait until everything in line is durable."""
        with self._changed:
            self._changed.wait_for(lambda: not self._unwritten or self._failure is not None)
            self._raise_failure()

    def when_durable(self, then: Callable[[Exception | None], None]) -> None:
        """Call when all that is in line now is durable, or can't be."""
        with self._changed:
            if self._failure is None and self._unwritten:
                self._callbacks.append((self._appended, then))
                return
            failure = self._error()
        then(failure)

    @property
    def failed(self) -> bool:
        """Whether something could not be written: nothing will be any more."""
        return self._failure is not None

    def close(self) -> None:
        """Write what waits, and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()

    def _has_room(self, nbytes: int) -> Callable[[], bool]:
        def enough() -> bool:
            fits = not self._pending_bytes or self._pending_bytes + nbytes <= ROOM
            return self._failure is not None or (fits and self._unwritten <= 4 * GROUP)

        return enough

    def _raise_failure(self) -> None:
        if (error := self._error()) is not None:
            raise error

    def _error(self) -> AtollError | None:
        if self._failure is None or isinstance(self._failure, AtollError):
            return self._failure
        mend = "make space or mend the disk, then `atoll resume` the run: what was committed is kept"
        return JournalError(
            "journal.write-failed", f"the journal {self._path} can't be written: {self._failure}", mend
        )

    def _work(self) -> None:
        from atoll.journal._sqlite import connect

        try:
            database = connect(self._path)
        except Exception as error:  # as below
            return self._fail(error)
        while group := self._gather():
            try:
                self._write(database, group)
            except Exception as error:  # whatever it was, it is raised to whoever appends or flushes
                database.close()
                return self._fail(error)
            self._done(group)
        return database.close()

    def _gather(self) -> list[_Waiting]:
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closing)
            return [self._queue.popleft() for _ in range(min(GROUP, len(self._queue)))]

    def _write(self, database: sqlite3.Connection, group: list[_Waiting]) -> None:
        failpoint(_BEFORE_BUILD)
        built: list[tuple[str, Event]] = []
        shelves: dict[str, _Shelf] = {}
        for run, batch, _ in group:  # large arrays are written before the database is locked
            shelf = shelves.get(run) or shelves.setdefault(run, _Shelf(self._room(run)))
            built.extend((run, event) for event in batch(shelf))
        database.execute("BEGIN IMMEDIATE")
        for run, shelf in shelves.items():
            database.executemany(
                "INSERT OR REPLACE INTO objects VALUES (?, ?, ?)", [(run, k, b) for k, b in shelf.inline]
            )
            database.executemany(
                "DELETE FROM objects WHERE run = ? AND key = ?", [(run, k) for k in shelf.dropped]
            )
        rows = [(run, self._number(database, run), type(e).__name__.lower(), encode(e)) for run, e in built]
        database.executemany("INSERT INTO events VALUES (?, ?, ?, ?)", rows)
        self._project(database, built)
        failpoint(_BEFORE_COMMIT)
        database.execute("COMMIT")
        failpoint(_AFTER_COMMIT)
        for run, shelf in shelves.items():
            failpoint(_BEFORE_DROP)
            shelf.sweep()
            failpoint(_AFTER_DROP)
            self._notify(run)

    def _room(self, run: str) -> Files:
        if run not in self._rooms:
            self._rooms[run] = self._files(run)
        return self._rooms[run]

    def _number(self, database: sqlite3.Connection, run: str) -> int:
        if run not in self._numbers:
            (last,) = database.execute(
                "SELECT coalesce(max(seq), 0) FROM events WHERE run = ?", (run,)
            ).fetchone()
            self._numbers[run] = last
        self._numbers[run] += 1
        return self._numbers[run]

    def _project(self, database: sqlite3.Connection, built: list[tuple[str, Event]]) -> None:
        changed = set()
        for run, event in built:
            if run not in self._summaries:
                row = database.execute("SELECT summary FROM runs WHERE id = ?", (run,)).fetchone()
                self._summaries[run] = msgspec.msgpack.decode(row[0], type=Summary) if row else None
            before = self._summaries[run]
            after = self._summaries[run] = project(before, event)
            if after is not before:
                changed.add(run)
        for run in changed:
            summary = self._summaries[run]
            if summary is not None:
                row = (summary.id, summary.name, summary.created, msgspec.msgpack.encode(summary))
                database.execute(
                    "INSERT INTO runs VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET summary = excluded.summary",
                    row,
                )

    def _done(self, group: list[_Waiting]) -> None:
        with self._changed:
            self._unwritten -= len(group)
            self._written += len(group)
            self._pending_bytes -= sum(w.nbytes for w in group)
            self._changed.notify_all()
            told = []
            while self._callbacks and self._callbacks[0][0] <= self._written:
                told.append(self._callbacks.popleft()[1])
        for then in told:
            then(None)

    def _fail(self, error: Exception) -> None:
        with self._changed:
            self._failure = error
            self._queue.clear()
            self._changed.notify_all()
            told, failure = [then for _, then in self._callbacks], self._error()
            self._callbacks.clear()
        for then in told:
            then(failure)


class _Shelf:
    """What one run's entries of a group put and drop."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self.inline: list[tuple[str, bytes]] = []
        self.dropped: list[str] = []

    def put(self, kind: str, arrays: Arrays) -> str:
        key, body = self._files.write(kind, arrays)
        if body is not None:
            self.inline.append((key, body))
        if key in self.dropped:
            self.dropped.remove(key)
        return key

    def keep(self, key: str, body: bytes) -> None:
        self.inline.append((key, body))
        if key in self.dropped:
            self.dropped.remove(key)

    def drop(self, key: str) -> None:
        self.dropped.append(key)
        self.inline = [(k, b) for k, b in self.inline if k != key]

    def sweep(self) -> None:
        for key in self.dropped:
            self._files.drop(key)
