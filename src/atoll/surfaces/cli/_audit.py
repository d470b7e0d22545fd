"""`atoll audit`: who did what, and whether it is still what was written down.

Doesn't know how logs are fetched and checked.
"""

from __future__ import annotations

import os
import tempfile
import time
from argparse import Namespace
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from atoll.surfaces._audit import Checked, entries_in, entries_of, target
from atoll.surfaces._audit import export as export_to
from atoll.surfaces._audit import verify as verify_file
from atoll.surfaces._coordinator import talking_to
from atoll.surfaces._places import needed
from atoll.surfaces.cli._output import Output
from atoll.surfaces.cli._since import since
from atoll.wire import AuditEntry

DAY = "1d"
SHOWN = 200


def show(values: Namespace, out: Output) -> int:
    """Show entries, the newest last."""
    found = deque(_entries(values), maxlen=max(1, values.limit or SHOWN))
    out.document("atoll.entries/1", {"entries": [_document(entry) for entry in found]})
    for entry in found:
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(entry.time))
        out.line(
            f"{out.paint(at, 'dim')}  {out.paint(entry.kind, 'bold')}  {entry.name or entry.who}  {_told(entry.what)}".rstrip()
        )
    if not found:
        out.note("nothing was written down" + (f" since {values.since}" if values.since else ""))
    return 0


def verify(values: Namespace, out: Output) -> int:
    """Check a log; exits 1 when an entry is bad."""
    kept = Path(values.kept) if values.kept else None
    if values.file:
        return _verdict(verify_file(Path(values.file), key=values.key or "", kept=kept), out)
    place = needed(values.on)
    with tempfile.TemporaryDirectory(prefix="atoll-") as folder:
        path = Path(folder) / "audit.export"
        with talking_to(place) as client, path.open("wb") as file:
            export_to(client, file)
        key = values.key or getattr(place, "audience", "")
        return _verdict(verify_file(path, key=key, kept=kept), out)


def export(values: Namespace, out: Output) -> int:
    """Write the coordinator's log to a file, which appears whole or not at all."""
    path = target(values.output)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with talking_to(needed(values.on)) as client, beside.open("wb") as file:
            entries = export_to(client, file)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    out.document("atoll.exported/1", {"file": str(path), "entries": entries})
    out.line(f"{entries:,} entries in {path}")
    out.line(f"  check it     atoll audit verify {path}")
    return 0


def _entries(values: Namespace) -> Iterator[AuditEntry]:
    if not values.file:
        with talking_to(needed(values.on)) as client:
            yield from entries_of(client, since(values.since or DAY), values.who or "", values.run or "")
        return
    earliest = since(values.since) if values.since else 0.0
    for entry in entries_in(Path(values.file)):
        wanted = (
            entry.time >= earliest
            and values.who in (None, entry.who)
            and values.run in (None, entry.what.get("run"))
        )
        if wanted:
            yield AuditEntry(n=entry.n, time=entry.time, kind=entry.kind, who=entry.who, what=entry.what)


def _verdict(found: Checked, out: Output) -> int:
    verdict, fault = found.verdict, found.verdict.fault
    told = {"n": fault.n, "since": fault.since, "why": fault.why} if fault else None
    out.document(
        "atoll.verdict/1",
        {
            "of": found.of,
            "signer": found.signer,
            "entries": verdict.entries,
            "proven": verdict.proven,
            "fault": told,
        },
    )
    if fault is None:
        vouched = "all" if verdict.proven == verdict.entries else f"{verdict.proven:,}"
        out.line(
            f"good: {verdict.entries:,} entries, {vouched} of them vouched for by a checkpoint of {found.signer or 'nobody'}"
        )
        return 0
    between = f"somewhere from {fault.since} to {fault.n}" if fault.since < fault.n else str(fault.n)
    out.line(out.paint(f"bad: entry {between}: {fault.why}", "red"))
    out.line(f"  {verdict.entries:,} entries before it are good")
    return 1


def _document(entry: AuditEntry) -> dict[str, Any]:
    return {
        "n": entry.n,
        "time": entry.time,
        "kind": entry.kind,
        "who": entry.who,
        "name": entry.name,
        "what": entry.what,
    }


def _told(what: Mapping[str, Any]) -> str:
    """What of it, on one line; what is signed is for programs."""
    return "  ".join(f"{name}={_short(value)}" for name, value in what.items() if name != "signed")


def _short(value: Any) -> str:
    if isinstance(value, list):
        return f"[{len(value)}]" if len(value) != 1 else _short(value[0])
    if isinstance(value, dict):
        return f"{{{', '.join(f'{n}={_short(v)}' for n, v in value.items())}}}"
    text = str(value)
    return (
        f"{text[:19]}…"
        if text.startswith("sha256:")
        else "".join(c if c.isprintable() else "?" for c in text)[:80]
    )
