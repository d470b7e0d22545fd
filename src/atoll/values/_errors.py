"""One tree of errors: what happened, why, and the command or change that mends it.

Doesn't know who shows them; a surface prints `message` and `mend`, a program reads `code`.
"""

from __future__ import annotations

from typing import Any

import msgspec

# What msgspec raises for what can't be read: also for text that is no UTF-8, and for nesting beyond all measure.
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class AtollError(Exception):
    """Any error that Atoll raises on purpose.

    `code` is stable and documented, `message` says what happened and names the thing, `mend` says what to
    do about it, and `exit_code` is what a command ends with.
    """

    exit_code = 1

    def __init__(self, code: str, message: str, mend: str = "") -> None:
        super().__init__(code, message, mend)
        self.code, self.message, self.mend = code, message, mend

    def __str__(self) -> str:
        return f"{self.message}\n  mend: {self.mend}" if self.mend else self.message


class ConfigError(AtollError):
    """The project, an option or a configuration value is wrong; nothing was started."""

    exit_code = 2


class DataError(AtollError):
    """A data set is missing, or isn't what the app or the partition needs."""

    exit_code = 2


class NotFound(AtollError):
    """What was named does not exist: a run, an object, a node."""

    exit_code = 3


class ArraysError(AtollError):
    """Named arrays, or a file of them, are malformed or over a limit."""


class JournalError(AtollError):
    """The journal can't be read or written."""


class StoreError(AtollError):
    """An object can't be kept, or not read as it was kept."""


class ObjectDamaged(StoreError):
    """An object's bytes are not those that its digest names; it was put aside."""


class DiskFull(StoreError):
    """There is no room for what was to be written; nothing half done is left under its name."""


class RunError(AtollError):
    """A run can't go on; what it had committed is kept."""


class TooFewReplies(RunError):
    """Fewer nodes answered well than the schedule's `minimum`. `failures` tells how the others ended."""

    failures: list[Any] = []


class Released(AtollError):
    """A reply's arrays were let go after a fold took them."""


class Stopped(AtollError):
    """The run was stopped on request; it can be resumed."""

    exit_code = 4
