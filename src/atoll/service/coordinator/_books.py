"""The books: the journal, the registry and the store behind the desk, and the runs that are going on.

Doesn't know what is asked of the coordinator. It knows how something becomes durable, many in one transaction, and how to go on
after a disk was full: what is in memory is built anew from what is on disk.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from atoll.journal import Batch, Created, Event, Ledger, Logged, Shelf
from atoll.service.coordinator._audit import Audit
from atoll.service.coordinator._audit_gaps import AuditGaps
from atoll.service.coordinator._clock import Clock
from atoll.service.coordinator._quotas import Quotas
from atoll.service.coordinator._refusals import Refusal
from atoll.service.coordinator._registry import Registry, RunRecord
from atoll.service.coordinator._run import LEASE, Lease, Run
from atoll.service.coordinator._sweeping import Marks
from atoll.service.coordinator._tenancy import Tenancy
from atoll.service.coordinator._usage import Usage
from atoll.store import Store
from atoll.values import AtollError, JournalError, NotFound, failpoint, register
from atoll.wire import Manifest

PAUSE = 1.0  # seconds after a failed write in which nothing is tried

log = logging.getLogger("atoll.coordinator")

_BEFORE = {kind: register(f"coordinator.before-{kind}", f"{kind}: on its way to the journal")
           for kind in ("lease", "say", "called", "accepted", "failed", "committed")}  # fmt: skip
_AFTER = {
    kind: register(f"coordinator.after-{kind}", f"{kind}: durable, nobody was told") for kind in _BEFORE
}


class Books:
    """What is durable, and how it gets so. Lives on the event loop."""

    def __init__(self, home: Path, journal: Ledger, store: Store, clock: Clock) -> None:
        self.home, self.journal, self.store, self.clock = home, journal, store, clock
        self.registry = Registry(home / "coordinator.db")
        self.audit, self.usage = Audit(home, clock), Usage(self.registry, clock)
        self.gaps = AuditGaps(self.audit, self.registry)
        self.tenancy = Tenancy(store)
        self.marks = Marks(store, clock, self.tenancy)
        self.runs: dict[str, Run] = {}
        self.quotas = Quotas(self.registry, self.runs, self.usage, self.tenancy)
        self.records: dict[str, RunRecord] = self.registry.all("run", RunRecord)
        self.draining = False
        self.reloaded: Callable[[Run, Run], None] = lambda before, after: None
        self.stalled = ""  # why nothing can be written now
        self._stalled_until = 0.0
        self._barrier: _Barrier | None = None
        self._generation = 0
        self._collecting: asyncio.Future[int] | None = None
        self.writes = self.flushes = 0

    # -- runs ------------------------------------------------------------------------------------------------

    def live(self, run: str) -> Run:
        """A run that is going on. Raises `Refusal`."""
        found = self.runs.get(run)
        if found is None or not found.live:
            known = found is not None or run in self.records
            if known:
                raise Refusal(409, "run.ended", f"run `{run}` has ended", "atoll resume it")
            raise Refusal(404, "run.unknown", f"there is no run `{run}`", "see `atoll ls`")
        return found

    def load(self, run: str) -> Run:
        """Build a run from its journal."""
        record = self.records.get(run) or RunRecord(id=run)
        found: Run | None = None
        for number, event in self.journal.events(run):
            if found is None:
                assert isinstance(event, Created)
                found = Run(event, record)
                found.number = 1
                self.tenancy.run(run, found.federation, found.user)
                self.usage.took(run, found.federation, found.user, number, event)
                continue
            found.take(event)
            self.usage.took(run, found.federation, found.user, number, event)
            if number <= record.resumed and not found.live:
                found.status = ""
        assert found is not None
        try:
            found.lease = msgspec.msgpack.decode(self.journal.body(run, LEASE), type=Lease)
        except NotFound:
            found.lease = Lease()
        for key, digest in found.lease.cancelled.items():
            call = found.calls.by_key.get(key)
            if call is not None and call.digest == digest:
                found.calls.cancel(key)
        self.mark(run)
        self.runs[run] = found
        return found

    def mark(self, run: str) -> None:
        """Take note of the objects that a run's bodies name."""
        created = None if run in self.runs else self.created(run)
        if created is not None:
            settings = created.settings
            self.tenancy.run(run, str(settings.get("federation", "")), str(settings.get("user", "")))
        for key, body in self.journal.bodies(run):
            if key != LEASE and (manifest := _manifest(body)) is not None:
                self.marks.hold(run, key, manifest.objects)
        record = self.runs.get(run)
        bundle = record.spec.bundle if record else str(created.settings.get("bundle", "")) if created else ""
        if bundle:
            self.marks.hold(run, "bundle", (bundle,))

    def wish(self, run: Run, **changes: object) -> None:
        """Change what is wished of a run; durable with the registry."""
        run.record = self.records[run.id] = msgspec.structs.replace(run.record, **changes)
        self.registry.put("run", run.id, run.record)

    def task(self, run: Run, key: str) -> Manifest:
        """The manifest of a task."""
        found = run.task(key)
        if found is None:
            found = msgspec.msgpack.decode(self.journal.body(run.id, key), type=Manifest)
            run.know(key, found)
        return found

    def created(self, run: str) -> Created | None:
        """How a run began."""
        for _, event in self.journal.events(run):
            return event if isinstance(event, Created) else None
        return None

    # -- writing ---------------------------------------------------------------------------------------------

    def ready(self) -> None:
        """Refuse what would write while nothing can be written."""
        self.audit.ready()
        if self.stalled and self.clock.monotonic() < self._stalled_until:
            raise self._full()

    def write(
        self, run: Run, kind: str, events: Sequence[Event], *, keep: dict[str, bytes] | None = None,
        drop: Sequence[str] = (), then: Callable[[], None] | None = None,
    ) -> asyncio.Future[None]:  # fmt: skip
        """Append events that the run has taken in, in one transaction with the bodies to keep and to drop.

        `then` is called once all is durable, whoever still waits. Raises `Refusal` when nothing can be written.
        """
        batch = _batch(kind, events, keep or {}, drop)
        nbytes = sum(map(len, keep.values())) if keep else 0
        try:
            self.journal.append_all(run.id, batch, nbytes=nbytes + 256 * len(events))
        except JournalError as error:
            self._failed(error, self._generation)
            raise self._full() from error
        self.writes += 1
        barrier = self._barrier
        if barrier is None:
            barrier = self._barrier = _Barrier(self._generation)
            asyncio.get_running_loop().call_soon(self._request)
        barrier.runs.add(run)
        barrier.kinds.add(kind)
        if then is not None:
            barrier.thens.append(then)
        if drop:
            barrier.thens.append(lambda: self.marks.drop(run.id, drop))
        return asyncio.shield(barrier.done)

    async def durable(self) -> None:
        """Return when all that was appended is durable. Raises `Refusal`."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        barrier = _Barrier(self._generation, done)
        self.journal.when_durable(lambda error: _tell(loop, self._settle, barrier, error))
        await done

    def say(self, run: Run, level: str, message: str, *, node: str = "", round: int | None = None) -> None:
        """A line in a run's log, of the coordinator's own."""
        event = Logged(time=self.clock.time(), level=level, message=message[:4000], node=node, round=round)
        try:
            run.take(event)
            self.write(run, "say", (event,))
        except Refusal:
            log.warning("run %s: %s", run.id, message)

    def _request(self) -> None:
        """All that was appended in this turn of the loop waits for one answer."""
        barrier, self._barrier = self._barrier, None
        if barrier is not None:
            loop = asyncio.get_running_loop()
            self.flushes += 1
            self.journal.when_durable(lambda error: _tell(loop, self._settle, barrier, error))

    def _settle(self, barrier: _Barrier, error: Exception | None) -> None:
        if error is not None:
            self._failed(error, barrier.generation)
            barrier.refuse(self._full())
            return
        if self.stalled and barrier.runs:
            log.warning("there is space again; runs go on")
            self.stalled = ""
        for kind in barrier.kinds:
            failpoint(_AFTER[kind])
        for then in barrier.thens:
            try:
                then()
            except Exception:  # it is written: the others are to follow all the same
                log.exception("what follows a durable write failed")
        barrier.accept()
        for run in barrier.runs:
            run.wake_followers()
        self.collect()

    def collect(self) -> None:
        """Remove objects that were named, and aren't any more; beside everything else."""
        if self.marks.useless and (self._collecting is None or self._collecting.done()):
            self._collecting = asyncio.ensure_future(self.marks.clear())

    # -- a full disk -----------------------------------------------------------------------------------------

    def stall(self, reason: str) -> None:
        """Nothing can be written for a while; runs show why."""
        if not self.stalled:
            log.error("%s; runs wait", reason)
        self.stalled = reason
        self._stalled_until = self.clock.monotonic() + PAUSE

    def _failed(self, error: Exception, generation: int) -> None:
        """What is in memory may be more than what is on disk: build it anew."""
        self.stall(error.message if isinstance(error, AtollError) else str(error))
        if generation != self._generation:
            return
        self._generation += 1
        self.journal.revive()
        pending, self._barrier = self._barrier, None
        if pending is not None:
            pending.refuse(self._full())
        for run in list(self.runs.values()):
            after = self.load(run.id)
            after.hold, after.said_at, after.ordered = run.hold, run.said_at, run.ordered
            self.reloaded(run, after)
            run.wake_program()
            run.wake_followers()

    def _full(self) -> Refusal:
        full = any(words in self.stalled for words in ("full", "No space", "quota"))
        code = "disk.full" if full else "disk.failed"
        mend = "make space on the coordinator's disk: runs go on by themselves"
        return Refusal(503, code, self.stalled or "the coordinator can't write", mend, retry=PAUSE)


class _Barrier:
    """What one flush makes durable, and who waits for it."""

    def __init__(self, generation: int, done: asyncio.Future[None] | None = None) -> None:
        self.generation = generation
        self.done = done or asyncio.get_running_loop().create_future()
        self.thens: list[Callable[[], None]] = []
        self.runs: set[Run] = set()
        self.kinds: set[str] = set()

    def accept(self) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def refuse(self, refusal: Refusal) -> None:
        if not self.done.done():
            self.done.set_exception(refusal)
            self.done.exception()  # there may be nobody left who waits


def _batch(kind: str, events: Sequence[Event], keep: dict[str, bytes], drop: Sequence[str]) -> Batch:
    def build(shelf: Shelf) -> Sequence[Event]:
        failpoint(_BEFORE[kind])
        for key in drop:
            shelf.drop(key)
        for key, body in keep.items():
            shelf.keep(key, body)
        return events

    return build


def _tell(loop: asyncio.AbstractEventLoop, then: Callable[..., None], *values: object) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(then, *values)


def _manifest(body: bytes) -> Manifest | None:
    try:
        return msgspec.msgpack.decode(body, type=Manifest)
    except msgspec.MsgspecError:
        return None
