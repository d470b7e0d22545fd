"""Audit logs from the user's side: fetched from a coordinator or read from a file, and checked.

Doesn't know how they are shown. A log of any length is read line by line.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec

from atoll.identity import (
    Both,
    Entry,
    IdentityError,
    PublicKey,
    Rotation,
    Signed,
    Verdict,
    canonical,
    check_both,
    kept_checkpoints,
    verify_export,
    verify_log,
)
from atoll.values import UNREADABLE, ConfigError, NotFound
from atoll.wire import AuditEntry, AuditPage, AuditPiece, Client

SCHEMA = "atoll.audit/1"  # of the first line of an export, as `identity` checks it
_LINE = 64 << 10  # bytes of one
_HEAD = 1 << 20
_decode = msgspec.json.Decoder(Entry).decode


@dataclass(frozen=True, slots=True)
class Checked:
    """Whose log it is, by whose key it is signed ("": nobody's), and what was found."""

    of: str
    signer: str
    verdict: Verdict


class _Head(msgspec.Struct):
    of: str
    closing: Signed
    schema: str = ""


def entries_of(client: Client, since: float, who: str, run: str) -> Iterator[AuditEntry]:
    """The entries of a coordinator's log that whoever asks may see."""
    after, more = 0, True
    while more:
        path = f"/v1/audit?after={after}&since={since:.3f}&who={_quoted(who)}&run={_quoted(run)}"
        page = client.call("GET", path, None, AuditPage)
        yield from page.entries
        after, more = page.next, page.more


def entries_in(path: Path) -> Iterator[Entry]:
    """The entries of a file, as they are. Raises `NotFound`, `IdentityError` (`audit.malformed`)."""
    with opened(path) as file:
        _head(file)
        while line := file.readline(_LINE + 1):
            yield _entry(line)


def export(client: Client, out: BinaryIO) -> int:
    """Write a coordinator's whole log, as far as a checkpoint of now; returns the number of its entries."""
    piece = client.call("GET", "/v1/audit/export", None, AuditPiece)
    if piece.closing is None:
        raise IdentityError("audit.malformed", "the coordinator gave no checkpoint", "ask again")
    closing = msgspec.convert(msgspec.to_builtins(piece.closing), Signed)
    until = int(msgspec.json.decode(closing.body)["n"])
    head = {"closing": msgspec.to_builtins(closing), "of": piece.of, "schema": SCHEMA}
    out.write(canonical(head) + b"\n")
    count = _write(out, piece)
    while piece.more:
        piece = client.call("GET", f"/v1/audit/export?at={piece.at}&until={until}", None, AuditPiece)
        count += _write(out, piece)
    return count


def verify(path: Path, *, key: str = "", kept: Path | None = None) -> Checked:
    """Check a log in a file; `key`: the id of the key that has to have signed it, `kept`: a log that holds checkpoints of this one.

    Raises `NotFound`, `IdentityError`: `audit.malformed`, `audit.forged-checkpoint` (also for another key).
    """
    with opened(path) as file:
        head = _head(file)
        of, keys = (head.of, [head.closing.signer]) if head else _names(file)
        others = list(kept_checkpoints(entries_in(kept), of)) if kept else []
        if head is None:
            keys = list({one.raw: one for one in [*keys, *(s.signer for s in others)]}.values())
        if key and key not in {one.id for one in keys}:
            raise IdentityError(
                "audit.forged-checkpoint",
                f"it is signed by {', '.join(one.id for one in keys) or 'nobody'}, not by {key}",
                "ask whoever gave it to you for the right one",
            )
        if key:
            keys = [one for one in keys if one.id == key]
        if head is None:
            keys = _rotated(path, keys)
        others = [signed for signed in others if signed.by in {one.text for one in keys}]
        file.seek(0)
        check = verify_export if head else verify_log
        verdict = check(file, of=of, keys=keys, checkpoints=others)
    return Checked(of, keys[0].id if keys else "", verdict)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A file, to be read. Raises `NotFound` (`audit.no-file`)."""
    try:
        file = path.expanduser().open("rb")
    except OSError as error:
        reason = error.strerror or error
        raise NotFound(
            "audit.no-file", f"{path} can't be read: {reason}", "name an audit log's file"
        ) from None
    with file:
        yield file


def target(path: str | None) -> Path:
    """Where an export goes. Raises `ConfigError`."""
    if not path:
        raise ConfigError("cli.usage", "say where to: -o FILE", "atoll audit export -o audit.export")
    return Path(path).expanduser()


def _write(out: BinaryIO, piece: AuditPiece) -> int:
    for line in piece.lines:
        out.write(line.encode())
    return len(piece.lines)


def _head(file: BinaryIO) -> _Head | None:
    """The first line of an export; None, and nothing read, for a daemon's own file."""
    try:
        return msgspec.json.decode(file.readline(_HEAD), type=_Head)
    except UNREADABLE:
        file.seek(0)
        return None


def _names(file: BinaryIO) -> tuple[str, list[PublicKey]]:
    """Whose log it is, and with which keys it was signed, as it says of itself."""
    first = _entry(file.readline(_LINE + 1))
    text = first.what.get("key")
    keys = [PublicKey.of(text)] if isinstance(text, str) else []
    return str(first.what.get("of") or first.who), keys


def _rotated(path: Path, keys: list[PublicKey]) -> list[PublicKey]:
    """These keys, and those that have taken their places: the log tells of each, signed by the old one and the new."""
    known = {key.id: key for key in keys}
    for entry in entries_in(path):
        said = entry.what.get("rotations") if entry.kind == "log-opened" else None
        for one in said if isinstance(said, list) else ():
            with contextlib.suppress(IdentityError, msgspec.ValidationError):  # then it proves nothing
                found = check_both(msgspec.convert(one, Both), Rotation)
                if found.old in known:
                    key = PublicKey.of(found.new)
                    known[key.id] = key
    return list(known.values())


def _entry(line: bytes) -> Entry:
    try:
        return _decode(line)
    except UNREADABLE as error:
        raise IdentityError(
            "audit.malformed", f"this is no audit log: {error}", "look at what wrote it"
        ) from None


def _quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")
