"""The append-only record of every run, and what is derived from it.

Doesn't know what a round computes, or who asks. `Journal` is the seam; in memory and SQLite are two sides of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from atoll.journal._events import (
    EPILOGUE,
    PROLOGUE,
    Accepted,
    Called,
    CallRow,
    Committed,
    Created,
    Diverged,
    Event,
    Failed,
    Finished,
    Held,
    Logged,
    Offered,
    Row,
    Started,
    decode,
    encode,
)
from atoll.journal._history import History, failures_of, final_model
from atoll.journal._journal import Batch, Entry, Hold, Journal, Ledger, Shelf, Source
from atoll.journal._lock import FileLock, is_locked, one_at_a_time
from atoll.journal._memory import MemoryJournal
from atoll.journal._summary import FAILED, FINISHED, INTERRUPTED, RUNNING, STOPPED, Summary, pick
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
    "Batch",
    "CallRow",
    "Called",
    "Committed",
    "Created",
    "Diverged",
    "Entry",
    "Event",
    "Failed",
    "FileLock",
    "Finished",
    "Held",
    "History",
    "Hold",
    "Journal",
    "Ledger",
    "Logged",
    "MemoryJournal",
    "Offered",
    "Row",
    "Shelf",
    "Source",
    "SqliteJournal",
    "Started",
    "Summary",
    "decode",
    "encode",
    "failpoint",
    "failures_of",
    "final_model",
    "is_locked",
    "one_at_a_time",
    "pick",
    "register",
]


def __getattr__(name: str) -> Any:
    if name == "SqliteJournal":  # sqlite3 is imported when it is used
        from atoll.journal._sqlite import SqliteJournal

        return SqliteJournal
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
