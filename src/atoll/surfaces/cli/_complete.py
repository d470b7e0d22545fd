"""What a shell asks while somebody types: the names of runs and contexts. Must answer within a blink.

Doesn't read what a run did: names stand in a column of their own.
"""

from __future__ import annotations

import os

from atoll.surfaces.cli._home import contexts_file, home


def complete(words: list[str]) -> int:
    """Print candidates, one a line: `runs` or `contexts`. Whatever is wrong, there are simply none."""
    if words[:1] == ["runs"]:
        print("\n".join(["@latest", *_names()]))
    if words[:1] == ["contexts"]:
        print("\n".join(["local", "simulation", *_contexts()]))
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


def _contexts() -> list[str]:
    import json

    try:
        with open(contexts_file(), encoding="utf-8") as file:
            return [str(name) for name in json.load(file)["contexts"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []
