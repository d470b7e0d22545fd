"""The audit log: who did what, when, in a file to which lines are only added, each holding the digest of the one before.

Doesn't know what is worth an entry. An entry holds ids and digests; what looks like a secret is left out, a long text is cut, and
whatever else somebody sends can't keep an entry from being written.
"""

from __future__ import annotations

import errno
import math
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO, Self, final

import msgspec

from atoll.identity._canonical import canonical, canonical_of_plain
from atoll.identity._chain import KEPT, LINE, MARK, SCHEMA, Entry, digest_of, genesis, lines_of, read_entry
from atoll.identity._errors import IdentityError
from atoll.identity._keys import Key
from atoll.identity._statements import Checkpoint, Signed, check, sign
from atoll.values import DiskFull, as_text, sync_folder, write_all

_TEXT = 1_000  # characters of one text
_ITEMS = 1_000  # of one list or mapping
_DEEP = 8
_WITHHELD = "[withheld]"
_SECRET_NAME = re.compile("token|secret|passw|seed|authorization|cookie|credential|private", re.IGNORECASE)
_SECRET = re.compile(
    r"(?P<before>atoll://[^\s#]*#|bearer )\S+|-----BEGIN[^-]*PRIVATE KEY-----.*", re.IGNORECASE | re.DOTALL
)
_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_PIECE = 1 << 20


@final
class AuditLog:
    """The log of one daemon, whose key's id is `of`; may be used by several threads of one process.

    A line that a crash has cut off at the end was acknowledged to nobody, and is taken away when the log is opened,
    which the log then says. Raises `IdentityError`: `audit.malformed`, `audit.unusable`.
    """

    def __init__(self, path: str | Path, *, of: str, now: Callable[[], float] = time.time) -> None:
        self._path, self._of, self._now = Path(path), of, now
        self._appending, self._syncing = Lock(), Lock()
        self._n, self._head, self._size, self._durable = 0, genesis(of), 0, 0
        self._failed = ""
        new = not self._path.exists()
        try:
            self._file = os.open(self._path, _FLAGS, 0o600)
            if new:
                sync_folder(self._path.parent)
        except OSError as error:
            raise self._unusable(error) from error
        try:
            self._resume()
        except BaseException as error:  # it is raised on; the file is closed whatever it was
            os.close(self._file)
            if isinstance(error, OSError):
                raise self._unusable(error) from error
            raise

    def append(self, kind: str, who: str, what: Mapping[str, Any] | None = None) -> int:
        """Add what somebody did; returns the entry's number. It is durable after `sync`.

        Raises `IdentityError` (`audit.unusable`) and `DiskFull`, upon which nothing was added.
        """
        with self._appending:
            return self._append(kind, who, _plain(what or {}, _DEEP))

    def sync(self, n: int | None = None) -> None:
        """Wait until entry `n`, or all that there are, is durable; those who wait together share one sync."""
        n = self._n if n is None else n
        with self._syncing:
            if self._durable >= n:
                return
            now_there = self._n
            self._check_usable()
            try:
                os.fsync(self._file)
            except OSError as error:  # what the system couldn't write it may have dropped: no second attempt
                self._failed = str(error)
                raise self._unusable(error) from error
            self._durable = now_there

    def checkpoint(self, key: Key) -> Signed:
        """Sign how far the log has come, say so in the log, and wait until all that is durable."""
        with self._appending:
            signed = self._signed(key)
            self._append(MARK, key.id, {"signed": msgspec.to_builtins(signed)})
        self.sync()
        return signed

    def keep(self, signed: Signed) -> int:
        """Keep a checkpoint of somebody else's log: they can't rewrite what it covers without contradicting it.

        Whether the signer may speak for that log is the caller's to know. Raises `IdentityError` when the signature doesn't hold.
        """
        of = check(signed, Checkpoint).of
        with self._appending:
            return self._append(KEPT, of, {"signed": msgspec.to_builtins(signed)})

    def entries(self, after: int = 0) -> Iterator[Entry]:
        """What there is, from the entry after number `after` on; reads as it goes. Raises `IdentityError` (`audit.malformed`)."""
        left = self._size
        with self._path.open("rb") as file:
            for line in lines_of(file):
                left -= len(line)
                if left < 0:
                    return
                entry = read_entry(line[:-1])
                if entry.n > after:
                    yield entry

    def export(self, out: BinaryIO, key: Key) -> Signed:
        """Write a checkpoint and all that it covers, for `verify_export`; holds no more than a piece of it.

        Returns the checkpoint, which stands in the log as well.
        """
        with self._appending:
            size, closing = self._size, self._signed(key)
            signed = msgspec.to_builtins(closing)
            self._append(MARK, key.id, {"signed": signed})
        self.sync()
        out.write(canonical({"closing": signed, "of": self._of, "schema": SCHEMA}) + b"\n")
        with self._path.open("rb") as file:
            while size and (piece := file.read(min(size, _PIECE))):
                out.write(piece)
                size -= len(piece)
        return closing

    def close(self) -> None:
        """Make everything durable and let go of the file."""
        try:
            self.sync()
        finally:
            with self._appending, self._syncing:
                self._failed = self._failed or "it is closed"
                if self._file >= 0:
                    os.close(self._file)
                    self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _append(self, kind: str, who: str, what: Any) -> int:
        self._check_usable()
        said = {"n": self._n + 1, "time": round(self._now(), 3), "previous": self._head}
        line = _line({**said, "kind": _text(kind), "who": _text(who), "what": what})
        try:
            write_all(self._file, line + b"\n")
        except OSError as error:
            self._take_back(error)
        self._n, self._head, self._size = self._n + 1, digest_of(line), self._size + len(line) + 1
        return self._n

    def _take_back(self, error: OSError) -> None:
        """Remove the half of a line that was written, so that the next one begins where a line begins."""
        try:
            os.ftruncate(self._file, self._size)
        except OSError as worse:
            self._failed = str(worse)
        if error.errno in _FULL:
            message = f"the disk is full: nothing more can be written to {self._path}"
            raise DiskFull("disk.full", message, "free some space") from error
        raise self._unusable(error) from error

    def _signed(self, key: Key) -> Signed:
        return sign(Checkpoint(of=self._of, n=self._n, head=self._head, time=int(self._now())), key)

    def _resume(self) -> None:
        """Find the end: only the last lines are read, however long the log is."""
        size = os.lseek(self._file, 0, os.SEEK_END)
        os.lseek(self._file, max(0, size - 2 * LINE), os.SEEK_SET)
        tail = _read_all(self._file, size)
        whole, end, torn = tail.rpartition(b"\n")
        if len(torn) >= LINE:
            raise self._malformed("its last line is too long")
        self._size = size - len(torn)
        if end:
            self._take_up(whole.rpartition(b"\n")[2])
        if torn:
            os.ftruncate(self._file, self._size)
            self._append("log-mended", self._of, {"bytes": len(torn), "digest": digest_of(torn)})
        self.sync()

    def _take_up(self, last: bytes) -> None:
        os.lseek(self._file, 0, os.SEEK_SET)
        first = os.read(self._file, LINE).partition(b"\n")[0]
        try:
            begins, entry = read_entry(first), read_entry(last)
        except IdentityError as error:
            raise self._malformed(error.message) from error
        if begins.n != 1 or begins.previous != genesis(self._of):
            raise self._malformed(f"it is not the log of {self._of}")
        self._n, self._head = entry.n, digest_of(last)

    def _check_usable(self) -> None:
        if self._failed:
            raise self._unusable(self._failed)

    def _unusable(self, why: object) -> IdentityError:
        message = f"the audit log {self._path} can't be used: {why}"
        return IdentityError("audit.unusable", message, "mend the disk or its permissions, and start again")

    def _malformed(self, why: str) -> IdentityError:
        message = f"{self._path} is no audit log that can go on: {why}"
        return IdentityError(
            "audit.malformed", message, "see atoll audit verify; to begin another, move it away"
        )


def _read_all(file: int, most: int) -> bytes:
    parts = []
    while most and (part := os.read(file, min(most, _PIECE))):
        parts.append(part)
        most -= len(part)
    return b"".join(parts)


def _line(said: dict[str, Any]) -> bytes:
    line = canonical_of_plain(said)
    if len(line) < LINE:
        return line
    what = canonical_of_plain(said["what"])
    return canonical_of_plain({**said, "what": {"bytes": len(what), "digest": digest_of(what)}})


def _plain(value: Any, deep: int) -> Any:
    """A value as an entry can hold it; this never fails."""
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if value.bit_length() < 64 else f"{value.bit_length()} bits"
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(value)
    if deep and isinstance(value, Mapping):
        return {_name(n): _named(n, v, deep) for n, v in list(value.items())[:_ITEMS]}
    if deep and isinstance(value, (list, tuple)):
        return [_plain(one, deep - 1) for one in value[:_ITEMS]]
    return f"[{type(value).__name__}]"


def _named(name: object, value: Any, deep: int) -> Any:
    if _is_secret(str(name)) and not isinstance(value, (bool, int, float, type(None))):
        return _WITHHELD
    return _plain(value, deep - 1)


@lru_cache(1024)
def _is_secret(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None


@lru_cache(1024)
def _name(name: object) -> str:
    return _text(name)


def _text(value: object) -> str:
    text = as_text(str(value)[: 4 * _TEXT])
    if " " in text or "://" in text or "-----" in text:  # or there is nothing for the pattern to find
        text = _SECRET.sub(rf"\g<before>{_WITHHELD}", text)
    return text if len(text) <= _TEXT else f"{text[: _TEXT - 1]}…"
