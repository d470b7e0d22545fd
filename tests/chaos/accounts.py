"""What the audit logs of a federation that has ended have to say, whatever it went through.

Doesn't know the journal: what was accepted is told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from ordeal import Ordeal

from atoll.identity import Entry
from atoll.journal import Accepted
from atoll.surfaces._audit import entries_in, verify


def audit(ordeal: Ordeal, accepted: Iterable[Accepted]) -> None:
    """Every log holds, also against what the others have kept of it; each reply that was accepted is there exactly once."""
    middle = ordeal.home("coordinator") / "audit.jsonl"
    nodes = {f"node-{i}": ordeal.home(f"node-{i}") / "audit.jsonl" for i in range(ordeal.count)}
    for path in nodes.values():
        _holds(path, kept=middle)
        _holds(middle, kept=path)

    told = Counter((node, call, digest) for node, call, digest in _rows(entries_in(middle)))
    wanted = Counter((e.node, e.key, e.digest) for e in accepted)
    assert told == wanted, f"{wanted - told} aren't in the log, {told - wanted} are too often"
    (begun,) = [e for e in entries_in(middle) if e.kind == "run-begun"]
    (ended,) = [e for e in entries_in(middle) if e.kind == "run-ended"]
    assert begun.n < ended.n

    for name, path in nodes.items():
        left = {(e.what["call"], e.what["digest"]) for e in entries_in(path) if e.kind == "reply-sent"}
        mine = {(call, digest) for node, call, digest in wanted if node == name}
        assert mine <= left, f"{mine - left} left {name} and its log doesn't know"


def _holds(path: Path, *, kept: Path) -> None:
    found = verify(path, kept=kept)
    assert found.verdict.fault is None, f"{path}: {found.verdict.fault}"
    assert found.verdict.proven > 0, f"nobody vouches for {path}"


def _rows(entries: Iterable[Entry]) -> Iterable[tuple[str, str, str]]:
    for entry in entries:
        if entry.kind == "replies-accepted":
            yield from (tuple(row) for row in entry.what["replies"])
