"""Where runs are kept: `$ATOLL_HOME`, or `~/.atoll`.

Doesn't know what is kept there. Imports nothing heavy: completion reads this.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from atoll.journal import SqliteJournal


def home() -> str:
    """The folder of all runs."""
    return os.path.expanduser(os.environ.get("ATOLL_HOME") or os.path.join("~", ".atoll"))


def open_journal() -> SqliteJournal:
    """The journal of this machine. Raises `JournalError`."""
    from atoll.journal import SqliteJournal

    return SqliteJournal(home())
