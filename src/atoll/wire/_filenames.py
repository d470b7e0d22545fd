"""Which file names may come out of a bundle: those that mean one file inside its folder on every system.

Doesn't know what is in the files.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator

MAX_PATH = 200  # characters
MAX_DEPTH = 32
_FORBIDDEN = frozenset('\\:*?"<>|')
_PORTS = "123456789\N{SUPERSCRIPT ONE}\N{SUPERSCRIPT TWO}\N{SUPERSCRIPT THREE}"
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$", *(f"{d}{n}" for d in ("com", "lpt") for n in _PORTS)]
)


def objections(paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The paths that are not to be written, each with the reason. Paths use `/`."""
    spelled: dict[str, str] = {}  # what a system that ignores case sees -> how it is spelled
    files: set[str] = set()
    for path in paths:
        if why := _odd(path):
            yield path, why
            continue
        if path in files:
            yield path, "it is there twice"
            continue
        files.add(path)
        *folders, _ = _levels(path)
        for level in (*folders, path):
            if (other := spelled.setdefault(_folded(level), level)) != level:
                yield path, f"on some systems {level} and {other} are the same"
                break
        if taken := next((f for f in folders if f in files), ""):
            yield path, f"{taken} is a file"
    yield from ((p, "it is a folder, too") for p in files & {f for q in files for f in [*_levels(q)][:-1]})


def _levels(path: str) -> Iterator[str]:
    """`a`, `a/b`, `a/b/c`."""
    steps = path.split("/")
    return ("/".join(steps[: n + 1]) for n in range(len(steps)))


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _odd(path: str) -> str:
    """Why a path is none that every system takes for the same file inside the folder; empty when it is."""
    steps = path.split("/")
    if len(path) > MAX_PATH or len(steps) > MAX_DEPTH:
        return f"it is longer than {MAX_PATH} characters, or deeper than {MAX_DEPTH} folders"
    if path.startswith("/") or ".." in steps:
        return "it leads out of the folder"
    for step in steps:
        if step in ("", "."):
            return "it has an empty step"
        if _FORBIDDEN & set(step) or any(unicodedata.category(c) in ("Cc", "Cs") for c in step):
            return "it has a character that not every system takes"
        if step[-1] in ". " or step[0] == " ":
            return "a step of it begins or ends with a space, or ends with a dot"
        if step.partition(".")[0].rstrip().lower() in _DEVICES:
            return f"{step} is a device on Windows"
    return ""
