"""What a kill kept out of the audit log, written there at the next start: between two files there is always a moment.

Doesn't know what is worth an entry. The journal is the truth about runs: what it has and the log has not is added, nothing twice.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import msgspec

from atoll.journal import Accepted, Created, Finished, Ledger
from atoll.service.coordinator._audit import Audit
from atoll.service.coordinator._audit_reading import of_kinds
from atoll.service.coordinator._registry import Registry
from atoll.values import AtollError

RECORD = "audited"
_KINDS = ("run-begun", "replies-accepted", "run-ended")


class Audited(msgspec.Struct, frozen=True):
    """The log tells everything of the run of that name, which has ended."""


@dataclass
class _Told:
    """What the log has of a run."""

    begun: bool = False
    ends: int = 0
    replies: Counter[tuple[str, str]] = field(default_factory=Counter)  # by call and digest


@final
class AuditGaps:
    """Lives on the event loop."""

    def __init__(self, audit: Audit, registry: Registry) -> None:
        self._audit, self._registry = audit, registry
        self._whole = set(registry.all(RECORD, Audited))
        self._ended: dict[str, asyncio.Task[None]] = {}

    def fill(self, journal: Ledger, runs: Iterable[str], live: Collection[str]) -> None:
        """Add what is missing of runs, before any of them goes on. Of an ended one that the log never heard of it
        stays silent: that is older than the log."""
        doubtful = [run for run in runs if run not in self._whole]
        told = _read(self._audit.path, doubtful)
        for run in doubtful:
            if told[run].begun or run in live:
                self._add(run, journal, told[run])
            if run not in live:
                self.ended(run)

    def ended(self, run: str) -> None:
        """The run's last entry was added; when that is durable, nobody has to look again."""
        self._ended[run] = asyncio.get_running_loop().create_task(self._settle(run))

    def forget(self, run: str) -> None:
        """The run goes on, or was removed."""
        if (settling := self._ended.pop(run, None)) is not None:
            settling.cancel()
        if run in self._whole:
            self._whole.discard(run)
            self._registry.put(RECORD, run, None)

    async def _settle(self, run: str) -> None:
        with contextlib.suppress(AtollError):  # then it is looked at again
            await self._audit.durable()
            self._whole.add(run)
            self._registry.put(RECORD, run, Audited())
        self._ended.pop(run, None)

    def _add(self, run: str, journal: Ledger, told: _Told) -> None:
        about: dict[str, Any] = {"run": run}
        for _, event in journal.events(run):
            if isinstance(event, Created):
                about["federation"] = str(event.settings.get("federation", ""))
                if not told.begun:
                    self._begun(event, about)
            elif isinstance(event, Accepted):
                if told.replies[event.key, event.digest]:
                    told.replies[event.key, event.digest] -= 1
                else:
                    self._audit.accepted(run, about["federation"], event.node, event.key, event.digest)
            elif isinstance(event, Finished):
                told.ends -= 1
                if told.ends < 0:
                    self._audit.add("run-ended", self._audit.of, {**about, "status": event.status})

    def _begun(self, event: Created, about: dict[str, Any]) -> None:
        user, bundle = (str(event.settings.get(name, "")) for name in ("user", "bundle"))
        what = {**about, "user": user, "bundle": bundle, "nodes": event.nodes}
        self._audit.add("run-begun", user or "local", what)


def _read(path: Path, runs: Collection[str]) -> dict[str, _Told]:
    """What the log has of runs; only lines that can be about them are looked into."""
    found = {run: _Told() for run in runs}
    for entry in of_kinds(path, _KINDS) if found else ():
        told = found.get(str(entry.what.get("run")))
        if told is None:
            continue
        if entry.kind == "replies-accepted":
            told.replies.update((call, digest) for _, call, digest in entry.what["replies"])
        told.begun |= entry.kind == "run-begun"
        told.ends += entry.kind == "run-ended"
    return found
