"""Where things are kept: runs in `$ATOLL_HOME` or `~/.atoll`, contexts in `$ATOLL_CONFIG` or `~/.config/atoll`.

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


def contexts_file() -> str:
    """The file that remembers federations."""
    above = os.environ.get("XDG_CONFIG_HOME") or os.path.join("~", ".config")
    folder = os.environ.get("ATOLL_CONFIG") or os.path.join(above, "atoll")
    return os.path.join(os.path.expanduser(folder), "contexts.json")


def open_journal() -> SqliteJournal:
    """The journal of this machine. Raises `JournalError`."""
    from atoll.journal import SqliteJournal

    return SqliteJournal(home())
