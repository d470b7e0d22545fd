"""What a shell asks while somebody types: the names of runs. Must answer within a blink.

Doesn't read what a run did: names stand in a column of their own.
"""

from __future__ import annotations

import os

from atoll.surfaces.cli._home import home


def complete(words: list[str]) -> int:
    """Print candidates, one a line: `runs`. Whatever is wrong, there are simply none."""
    if words[:1] == ["runs"]:
        print("\n".join(["@latest", *_names()]))
    return 0


def _names() -> list[str]:
    path = os.path.join(home(), "journal.db")
    if not os.path.exists(path):
        return []
    import _sqlite3 as sqlite3  # what sqlite3 wraps, at half the time: a shell waits for this

    try:
        database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=1)
        names = [
            name for (name,) in database.execute("SELECT name FROM runs ORDER BY created DESC LIMIT 200")
        ]
        database.close()
    except sqlite3.Error:
        return []
    return names
