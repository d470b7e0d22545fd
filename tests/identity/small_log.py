"""Audit logs to be examined, and what somebody might make of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from atoll.identity import AuditLog, Checkpoint, Key, Signed, Verdict, canonical, sign, verify_log
from atoll.identity._chain import digest_of, genesis

KEY, FORGER, NODE = (Key.of_seed(bytes([n]) * 32) for n in (1, 2, 3))
OF = KEY.id


def now() -> float:
    return 1_700_000_000.1234


def open_log(path: Path) -> AuditLog:
    return AuditLog(path, of=OF, now=now)


def written(path: Path, count: int = 10) -> list[bytes]:
    """The lines of a log of so many entries."""
    with open_log(path) as log:
        for n in range(log.append("begin", OF), count):
            log.append("run", "k-someone", {"run": f"r{n}", "digests": ["sha256:00"]})
    return path.read_bytes().splitlines(keepends=True)


def verdict(
    lines: list[bytes], checkpoints: tuple[Signed, ...] = (), keys: tuple[Key, ...] = (KEY,)
) -> Verdict:
    return verify_log(lines, of=OF, keys=[k.public for k in keys], checkpoints=checkpoints)


def bad(lines: list[bytes], *checkpoints: Signed) -> int:
    """The number of the first bad entry."""
    found = verdict(lines, checkpoints)
    assert found.fault
    assert found.fault.why
    assert found.entries == max(found.fault.since - 1, 0)
    return found.fault.n


def edit(line: bytes, **changed: Any) -> bytes:
    return canonical({**json.loads(line), **changed}) + b"\n"


def forge(lines: list[bytes], at: int, **changed: Any) -> list[bytes]:
    """A log in which an entry was changed and all after it were written anew, so that the chain holds."""
    new, head = lines[: at - 1], ""
    for line in lines[at - 1 :]:
        line = edit(line, **(changed if not head else {"previous": head}))
        head = digest_of(line[:-1])
        new = [*new, line]
    return new


def signed_point(n: int, head: str, key: Key = KEY, of: str = OF) -> Signed:
    return sign(Checkpoint(of=of, n=n, head=head, time=1_700_000_000), key)


def point(lines: list[bytes], n: int, key: Key = KEY) -> Signed:
    return signed_point(n, digest_of(lines[n - 1][:-1]) if n else genesis(OF), key)
