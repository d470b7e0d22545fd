"""A run that is going on: what its events say, and who writes and follows it.

Doesn't know nodes or hosts. It is rebuilt from the journal, by the same functions that take in what just happens.
"""

from __future__ import annotations

import asyncio
import collections
from collections.abc import Iterable

import msgspec

from atoll.journal import (
    Accepted,
    Called,
    Committed,
    Created,
    Diverged,
    Event,
    Failed,
    Finished,
    Hold,
    Logged,
    Started,
)
from atoll.service.coordinator._calls import Call, Calls
from atoll.service.coordinator._refusals import Refusal
from atoll.service.coordinator._registry import RunRecord
from atoll.wire import Manifest, Needs, Order, RunSpec

LEASE = "lease"  # the key under which a run's journal keeps who writes it
TASKS_KEPT = 32  # manifests of tasks in memory
MAX_LINES, MAX_LOG = 100_000, 64 << 20  # lines and bytes of a run's log


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """Who writes a run: the newest fence, how many of its requests are in the journal, and calls that it took back."""

    fence: int = 0
    at: int = 0
    cancelled: dict[str, str] = {}


class Change:
    """What an event made useless: calls that nodes need not answer, and keys of objects."""

    __slots__ = ("dropped", "withdrawn")

    def __init__(self) -> None:
        self.withdrawn: list[Call] = []
        self.dropped: list[str] = []


class Run:
    """One run, in memory while it is going on."""

    def __init__(self, created: Created, record: RunRecord) -> None:
        self.id, self.created, self.record = created.id, created, record
        self.spec = spec_of(created)
        self.federation, self.user = self.spec.federation, self.spec.user
        self.where = str(created.settings.get("where", "host"))
        self.calls = Calls()
        self.lease = Lease()
        self.round = 0  # the open one
        self.progress = 0  # answers and commits
        self.status = ""  # how it ended
        self.number = 0  # of its last event
        self.lines = self.log_bytes = 0
        self.told_cap = False
        self.ended_at = 0.0
        self.said_at: float | None = None  # when a program was heard last
        self.told_stop = 0  # the fence of the program that was asked to stop
        self.ordered = False  # its host was told to start it
        self.not_before = 0.0
        self.hold: Hold | None = None
        self.listener: asyncio.Future[None] | None = None  # the program's long poll
        self.followers: set[asyncio.Future[None]] = set()
        self._owners: dict[str, set[int | str]] = {}
        self._replies: set[str] = set()
        self._tasks: collections.OrderedDict[str, Manifest] = collections.OrderedDict()
        self._keeps_replies = created.settings.get("save") == "always"

    @property
    def live(self) -> bool:
        """Whether it is to go on."""
        return not self.status

    def check(self, fence: int) -> None:
        """Refuse a program that is not the newest."""
        if fence != self.lease.fence:
            mend = "nothing: this process ends, the newer one goes on"
            raise Refusal(409, "run.fenced", f"another process writes run {self.created.name} now", mend)

    # -- events ----------------------------------------------------------------------------------------------

    def take(self, event: Event) -> Change:
        """Take an event in; it is in the journal, or on its way there."""
        self.number += 1
        change = Change()
        if isinstance(event, Called):
            _, change.withdrawn = self.calls.call(event)
            for row in event.calls:
                self._own(event.task, event.round if event.ordinal >= 0 else row.key)
        elif isinstance(event, Accepted):
            self._accept(event)
        elif isinstance(event, Failed):
            self.calls.fail(event)
            self.progress += event.failure != "late" and event.key != ""
        elif isinstance(event, Committed):
            self.round = event.round + 1
            self.progress += 1
            self._commit(event, change)
        elif isinstance(event, Diverged):
            change.withdrawn = self.calls.diverge(event.round, event.ordinal)
        elif isinstance(event, Logged):
            self.lines += 1
            self.log_bytes += len(event.message) + 64
        elif isinstance(event, Started):
            self.status = ""
        elif isinstance(event, Finished):
            self._finish(event, change)
        return change

    def has_room(self, lines: Iterable[str]) -> bool:
        """Whether its log takes more."""
        return self.lines < MAX_LINES and self.log_bytes + sum(len(t) + 64 for t in lines) < MAX_LOG

    def _accept(self, event: Accepted) -> None:
        self.progress += 1
        self.calls.accept(event)
        if event.payload:
            self._replies.add(event.payload)
            self._own(event.payload, event.round if event.ordinal >= 0 else event.key)

    def _commit(self, event: Committed, change: Change) -> None:
        done = self.calls.commit(
            event.round, {(row.ordinal, row.index) for row in event.replies if row.ordinal < 0}
        )
        change.withdrawn = [c for c in done if c.answered is None]
        if event.round > 0:
            change.dropped = self._release({event.round, *(c.key for c in done if c.ordinal < 0)})

    def _finish(self, event: Finished, change: Change) -> None:
        self.status = event.status
        change.withdrawn = [
            c for c in self.calls.finish(failed=event.status == "failed") if c.answered is None
        ]
        if event.status == "finished":
            change.dropped = self._release(set().union(*self._owners.values()))

    # -- objects ---------------------------------------------------------------------------------------------

    def task(self, key: str) -> Manifest | None:
        """The manifest of a task, if it is at hand."""
        return self._tasks.get(key)

    def know(self, key: str, task: Manifest) -> None:
        """Have a task's manifest at hand for a while."""
        self._tasks[key] = task
        if len(self._tasks) > TASKS_KEPT:
            self._tasks.popitem(last=False)

    def _own(self, key: str, owner: int | str) -> None:
        self._owners.setdefault(key, set()).add(owner)

    def _release(self, owners: set[int | str]) -> list[str]:
        free = []
        for key, held in list(self._owners.items()):
            if held & owners and not (self._keeps_replies and key in self._replies):
                held -= owners
                if not held:
                    del self._owners[key]
                    self._tasks.pop(key, None)
                    self._replies.discard(key)
                    free.append(key)
        return free

    # -- who waits -------------------------------------------------------------------------------------------

    def wake_program(self) -> None:
        """Let the program's long poll look again."""
        waiting, self.listener = self.listener, None
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    def wake_followers(self) -> None:
        """There are new events."""
        waiting, self.followers = self.followers, set()
        for one in waiting:
            if not one.done():
                one.set_result(None)


def spec_of(created: Created) -> RunSpec:
    """What a worker needs to know of a run."""
    app, settings = created.app, created.settings
    partition = app.get("partition")
    return RunSpec(
        run=created.id, name=created.name, federation=str(settings.get("federation", "default")),
        bundle=str(settings.get("bundle", "")), user=str(settings.get("user", "")), config=created.config,
        seed=created.seed, nodes=created.nodes, data=str(app.get("data") or ""),
        partition=partition if isinstance(partition, dict) else None, client=str(app.get("client", "")),
        server=str(app.get("server", "")), threads=int(settings.get("threads", 1)),
        needs=msgspec.convert(settings.get("needs", {}), Needs),
        order=msgspec.convert(settings.get("order"), Order | None),
    )  # fmt: skip
