"""The append-only record of every run, and what is derived from it.

Doesn't know what a round computes, or who asks. `Journal` is the seam; in memory and SQLite are two sides of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from atoll.journal._events import (
    EPILOGUE,
    PROLOGUE,
    Accepted,
    Committed,
    Created,
    Diverged,
    Event,
    Failed,
    Finished,
    Logged,
    Offered,
    Row,
    Started,
)
from atoll.journal._history import History, failures_of, final_model
from atoll.journal._journal import Entry, Hold, Journal, Shelf
from atoll.journal._lock import FileLock, is_locked
from atoll.journal._memory import MemoryJournal
from atoll.journal._summary import FAILED, FINISHED, INTERRUPTED, RUNNING, STOPPED, Summary
from atoll.values import FAILPOINTS, failpoint, register

if TYPE_CHECKING:
    from atoll.journal._sqlite import SqliteJournal

__all__ = [
    "EPILOGUE",
    "FAILED",
    "FAILPOINTS",
    "FINISHED",
    "INTERRUPTED",
    "PROLOGUE",
    "RUNNING",
    "STOPPED",
    "Accepted",
    "Committed",
    "Created",
    "Diverged",
    "Entry",
    "Event",
    "Failed",
    "FileLock",
    "Finished",
    "History",
    "Hold",
    "Journal",
    "Logged",
    "MemoryJournal",
    "Offered",
    "Row",
    "Shelf",
    "SqliteJournal",
    "Started",
    "Summary",
    "failpoint",
    "failures_of",
    "final_model",
    "is_locked",
    "register",
]


def __getattr__(name: str) -> Any:
    if name == "SqliteJournal":  # sqlite3 is imported when it is used
        from atoll.journal._sqlite import SqliteJournal

        return SqliteJournal
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
