"""The form of an audit log: lines of canonical JSON, each with the digest of the line before, and what can be seen from that.

Doesn't know where the lines lie. Whoever has the log and its key can write another one; that it is another one is seen
by whoever holds a checkpoint of the first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, BinaryIO, TypeVar, final

import msgspec
from msgspec import Meta

from atoll.identity._canonical import read
from atoll.identity._errors import IdentityError
from atoll.identity._keys import PublicKey
from atoll.identity._statements import Checkpoint, Digest, Signed, check

LINE = 64 << 10  # bytes of a line, its end included
SCHEMA = "atoll.audit/1"
MARK = "checkpoint"  # the kind of an entry that is a checkpoint of the lines before it
KEPT = "checkpoint-kept"  # of one that holds a checkpoint of somebody else's log
_MOST = 100_000  # checkpoints that a log is held against

T = TypeVar("T")
Short = Annotated[str, Meta(max_length=1_000)]


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What happened: its number, when (seconds since 1970, UTC), which kind of thing, by whom, and what of it."""

    n: Annotated[int, Meta(ge=1, le=1 << 53)]
    time: float
    previous: Digest
    kind: Short
    who: Short
    what: dict[str, Any]


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The first line of an export: whose log follows, and the checkpoint at which it ends."""

    schema: str
    of: Short
    closing: Signed


@final
@dataclass(frozen=True)
class Fault:
    """The first bad entry. Where a checkpoint tells no more, the bad ones begin somewhere from `since` to `n`."""

    n: int
    since: int
    why: str


@final
@dataclass(frozen=True)
class Verdict:
    """What was found: how many entries from the first on hold together, up to which a checkpoint vouches for them, and
    the fault, if any."""

    entries: int
    proven: int
    fault: Fault | None = None


def genesis(of: str) -> str:
    """What stands for the line before the first, in the log of a key's id."""
    return digest_of(f"atoll/audit/1\n{of}".encode())


def digest_of(line: bytes) -> str:
    """The digest of a line without its end."""
    return f"sha256:{hashlib.sha256(line).hexdigest()}"


def read_entry(line: bytes) -> Entry:
    """The entry in a line, without its end. Raises `IdentityError` (`audit.malformed`)."""
    return _read(line, Entry)


def lines_of(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file, with their ends; of one that is too long, as much as shows that it is."""
    while line := file.readline(LINE + 1):
        yield line


def verify_log(
    lines: Iterable[bytes], *, of: str, keys: Collection[PublicKey], checkpoints: Collection[Signed] = ()
) -> Verdict:
    """Read a log once and say which entry is the first bad one; no more than two lines are held.

    `of` names the log, `keys` those that may sign its checkpoints, `checkpoints` are those that somebody else has kept.
    Raises `IdentityError` (`audit.forged-checkpoint`) for one of these that isn't of this log, signed by these keys.
    """
    walk = _Walk(of, keys, checkpoints)
    for line in lines:
        if walk.step(line):
            break
    return walk.verdict()


def verify_export(
    file: BinaryIO, *, of: str, keys: Collection[PublicKey], checkpoints: Collection[Signed] = ()
) -> Verdict:
    """`verify_log` for what `AuditLog.export` wrote, which ends where its own checkpoint says.

    Raises `IdentityError`: `audit.malformed` when it is no export, `audit.forged-checkpoint`.
    """
    first = file.readline(LINE + 1)
    head = _read(first[:-1] if first.endswith(b"\n") else first, Head)
    if head.schema != SCHEMA or head.of != of:
        raise _malformed(f"it is the log of {head.of!r:.60} ({head.schema!r:.40})")
    walk = _Walk(of, keys, [head.closing, *checkpoints])
    end = check(head.closing, Checkpoint).n
    for line in lines_of(file):
        if walk.entries == end:
            walk.blame(end + 1, "it comes after the checkpoint that closes the export")
        if walk.fault or walk.step(line):
            break
    return walk.verdict()


def exported(file: BinaryIO) -> Iterator[Entry]:
    """The entries of an export, as they are: `verify_export` tells whether they hold. Raises `IdentityError` (`audit.malformed`)."""
    file.readline(LINE + 1)
    return (read_entry(line[:-1]) for line in lines_of(file))


def kept_checkpoints(entries: Iterable[Entry], of: str) -> Iterator[Signed]:
    """The checkpoints of another's log, `of`, that are kept in this one: for the `checkpoints` of `verify_log`."""
    for entry in entries:
        if entry.kind == KEPT and entry.who == of:
            yield _mark(entry)


@final
class _Walk:
    """A reading of the lines, in order. `step` tells whether it is over."""

    def __init__(self, of: str, keys: Collection[PublicKey], checkpoints: Collection[Signed]) -> None:
        self._of, self._keys = of, {key.text for key in keys}
        self._head = genesis(of)
        self._expected = self._read(checkpoints)
        self._broken: Fault | None = None  # which of two entries was changed, the line after them tells
        self._proven = 0  # entries up to a checkpoint that agreed
        self.entries, self.fault = 0, None if self._agrees(0) else Fault(0, 0, _REWRITTEN)

    def step(self, line: bytes) -> bool:
        try:
            if not line.endswith(b"\n") or len(line) > LINE:
                raise _malformed("its line is cut off, or too long")
            entry = read_entry(line[:-1])
        except IdentityError as error:
            self.blame(self.entries + 1, error.message)
            return True
        return self._decide(entry) or self._follow(entry, line[:-1])

    def blame(self, n: int, why: str, since: int = 0) -> None:
        """Entry `n` is the first bad one, but for an earlier one that was found already."""
        self.fault = self.fault or self._broken or Fault(n, since or n, why)

    def verdict(self) -> Verdict:
        last = max(self._expected, default=0)
        if self._broken or self.entries < last:
            self.blame(self.entries + 1, f"it is missing: a checkpoint knows {last:,} entries")
        good = max(self.fault.since - 1, 0) if self.fault else self.entries
        return Verdict(good, self._proven, self.fault)

    def _decide(self, entry: Entry) -> bool:
        """After a broken link: the later one is what it was when the line after it knows it so."""
        if not self._broken:
            return False
        if entry.previous != self._head:
            self._broken = Fault(self.entries, self.entries, _CHANGED)
        self.fault = self._broken
        return True

    def _follow(self, entry: Entry, line: bytes) -> bool:
        n = self.entries + 1
        if entry.n != n:
            self.blame(n, f"it is missing, or another stands in its place: {entry.n}")
            return True
        if entry.previous != self._head and self._proven >= n - 1:
            self.blame(n, "it doesn't follow the entry before it")
            return True
        if entry.previous != self._head:
            self._broken = Fault(n - 1, n - 1, _CHANGED)
        elif entry.kind == MARK and not self._marks(entry):
            self.blame(n, "it is a checkpoint, and a forged one")
            return True
        self.entries, self._head = n, digest_of(line)
        if not self._broken and not self._agrees(n):
            self.blame(n, _REWRITTEN, since=self._proven + 1)
        return self.fault is not None

    def _agrees(self, n: int) -> bool:
        """Whether the checkpoints from outside know this head."""
        heads = self._expected.get(n, set())
        if heads and heads != {self._head}:
            return False
        if heads:
            self._proven = n
        return True

    def _marks(self, entry: Entry) -> bool:
        try:
            found = self._check(_mark(entry))
        except IdentityError:
            return False
        if (found.n, found.head) != (entry.n - 1, entry.previous):
            return False
        self._proven = found.n
        return True

    def _read(self, checkpoints: Collection[Signed]) -> dict[int, set[str]]:
        if len(checkpoints) > _MOST:
            raise _forged(f"there are {len(checkpoints):,} of them; at most {_MOST:,} may be")
        expected: dict[int, set[str]] = {}
        for found in map(self._check, checkpoints):
            expected.setdefault(found.n, set()).add(found.head)
        return expected

    def _check(self, signed: Signed) -> Checkpoint:
        try:
            found = check(signed, Checkpoint)
        except IdentityError as error:
            raise _forged(error.message) from None
        if signed.by not in self._keys or found.of != self._of:
            raise _forged(f"it is of {found.of}, by {signed.signer.id}")
        return found


class _Mark(msgspec.Struct, forbid_unknown_fields=True):
    signed: Signed


_CHANGED = "it was changed: the entry after it knows another"
_REWRITTEN = "it was rewritten: a checkpoint knows another"


def _mark(entry: Entry) -> Signed:
    try:
        return msgspec.convert(entry.what, _Mark).signed
    except msgspec.ValidationError as error:
        raise _malformed(f"entry {entry.n} holds no checkpoint: {error}") from None


def _read(line: bytes, kind: type[T]) -> T:
    try:
        return msgspec.convert(read(line, most=LINE - 1), kind)
    except (IdentityError, msgspec.ValidationError) as error:
        raise _malformed(f"{error}".splitlines()[0][:200]) from None


def _malformed(why: str) -> IdentityError:
    return IdentityError("audit.malformed", f"this is no audit log: {why}", "look at what wrote it")


def _forged(why: str) -> IdentityError:
    message = f"a checkpoint isn't one of this log: {why}"
    return IdentityError("audit.forged-checkpoint", message, "ask whoever kept it where it came from")
