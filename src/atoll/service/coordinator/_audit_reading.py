"""Reading the coordinator's audit log: pages of entries, and its lines as they are.

Doesn't know who may see them. Nothing is held but the page, and the place to begin is looked for by halving.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec

from atoll.identity import Entry

LOOKED_AT = 20_000  # entries looked at for one page
PAGE = 500  # entries of one
PIECE = 2 << 20  # bytes of lines as they are
_LINE = 64 << 10  # bytes of a line at most
_decode = msgspec.json.Decoder(Entry).decode


@dataclass(frozen=True, slots=True)
class Found:
    """A page of entries: those wanted, the number of the last one looked at, and whether there are more."""

    entries: list[Entry]
    last: int
    more: bool


def page(path: Path, after: int, since: float, wanted: Callable[[Entry], bool], *, most: int = PAGE) -> Found:
    """Entries after a number and not before a time."""
    found: list[Entry] = []
    last = after
    with path.open("rb") as file:
        _seek(file, lambda entry: entry.n <= after or entry.time < since)
        for count, entry in enumerate(_entries(file)):
            if count >= LOOKED_AT or len(found) >= most:
                return Found(found, last, more=True)
            last = entry.n
            if entry.n > after and entry.time >= since and wanted(entry):
                found.append(entry)
    return Found(found, last, more=False)


def piece(path: Path, at: int, until: int) -> tuple[list[str], int, bool]:
    """Whole lines from a byte on, up to entry number `until`; where to go on, and whether there are more."""
    lines: list[str] = []
    size = 0
    if not until:
        return lines, at, False
    with path.open("rb") as file:
        if at:
            file.seek(min(at - 1, file.seek(0, 2)))  # beyond the end no disk has any bytes
            if file.read(1) != b"\n":  # no line begins there
                return [], at, False
        while size < PIECE and (line := file.readline(_LINE + 1)).endswith(b"\n"):
            n = _decode(line).n
            if n > until:
                return lines, at + size, False
            lines.append(line.decode())
            size += len(line)
            if n == until:
                return lines, at + size, False
        return lines, at + size, size >= PIECE


def of_kinds(path: Path, kinds: Collection[str]) -> Iterator[Entry]:
    """All entries of some kinds; only their lines are looked into."""
    wanted = [f'"kind":"{kind}"'.encode() for kind in kinds]
    with path.open("rb") as file:
        while (line := file.readline(_LINE + 1)).endswith(b"\n"):
            if any(each in line for each in wanted) and (entry := _decode(line)).kind in kinds:
                yield entry


def _entries(file: BinaryIO) -> Iterator[Entry]:
    while (line := file.readline(_LINE + 1)).endswith(b"\n"):  # a line that is only being written has no end
        yield _decode(line)


def _seek(file: BinaryIO, before: Callable[[Entry], bool]) -> None:
    """Go to the first line that isn't `before`; all those before it are."""
    low, high = 0, file.seek(0, 2)
    while low < high:
        middle = (low + high) // 2
        begin = _line_from(file, middle)
        file.seek(begin)
        line = file.readline(_LINE + 1)
        if begin >= high or not line.endswith(b"\n") or not before(_decode(line)):
            high = middle
        else:
            low = begin + len(line)
    file.seek(_line_from(file, low))


def _line_from(file: BinaryIO, at: int) -> int:
    """Where the first line begins that begins at a byte or after it."""
    if at == 0:
        return 0
    file.seek(at - 1)
    file.readline(_LINE + 1)
    return file.tell()
