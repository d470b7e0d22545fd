"""Programs: server apps that write their runs, one at a time, and hear what came of their calls.

Doesn't know where they run. What a program says is in the journal in one transaction, once, however often it is sent.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from atoll.journal import (
    Called,
    CallRow,
    Committed,
    Diverged,
    Event,
    Failed,
    Finished,
    Logged,
    Offered,
    Started,
    decode,
)
from atoll.service.coordinator._books import Books
from atoll.service.coordinator._calls import CANCELLED, Call
from atoll.service.coordinator._hearing import Hearing
from atoll.service.coordinator._nodes import Nodes
from atoll.service.coordinator._refusals import Refusal
from atoll.service.coordinator._replies import Replies, capped
from atoll.service.coordinator._run import LEASE, Change, Lease, Run
from atoll.wire import Attend, Attended, Heard, Manifest, Say

_THEIRS = (Started, Offered, Committed, Diverged, Logged, Finished)


class Programs:
    """What programs say."""

    def __init__(self, books: Books, nodes: Nodes, replies: Replies, hearing: Hearing) -> None:
        self._books, self._nodes, self._replies = books, nodes, replies
        self._hearing = hearing
        self.finished: Callable[[Run], None] = lambda run: None

    async def attend(self, id: str, attend: Attend) -> Attended:
        """Take the right to write a run; who had it is refused from now on."""
        run = self._books.live(id)
        self._books.ready()
        run.lease = Lease(fence=run.lease.fence + 1, cancelled=run.lease.cancelled)
        fence = run.lease.fence
        run.calls.attend()
        run.wake_program()
        done = self._books.write(run, "lease", (), keep={LEASE: msgspec.msgpack.encode(run.lease)})
        run.said_at = self._books.clock.monotonic()
        await done
        return Attended(fence=fence, spec=run.spec)

    async def say(self, id: str, say: Say) -> Heard:
        """Take in what a program says, durably; then what it has not heard, or wait for it."""
        run = self._attended(id, say)
        run.said_at = self._books.clock.monotonic()
        if say.objects or say.tasks:
            await self._books.marks.gate()
            run = self._attended(id, say)
        run.calls.hear(say.heard)
        if say.at == run.lease.at + 1:
            await self._take(run, say)
        elif say.at > run.lease.at:
            message = f"request {say.at} came, {run.lease.at + 1} is next"
            raise Refusal(409, "run.out-of-order", message, "send what was not answered first")
        elif say.at == run.lease.at and _tells(say):
            await self._books.durable()
        return await self._hearing.heard(run, say)

    # -- what it says ------------------------------------------------------------------------------------------

    def _attended(self, id: str, say: Say) -> Run:
        run = self._books.runs.get(id)
        if run is not None and not run.live and run.lease.fence == say.fence and say.at == run.lease.at:
            return run  # it has just said that it ends, and asks again
        run = self._books.live(id)
        run.check(say.fence)
        return run

    async def _take(self, run: Run, say: Say) -> None:
        self._books.ready()
        events = self._decoded(run, say.events)
        bodies = self._bodies(say)
        self._check(run, say)
        change, written = Change(), [*events]
        for event in events:
            one = run.take(event)
            change.withdrawn += one.withdrawn
            change.dropped += one.dropped
        cancelled = dict(run.lease.cancelled)
        for key in say.cancel:
            call = run.calls.cancel(key)
            if call is not None:
                cancelled[key] = call.digest
                change.withdrawn.append(call)
        made, called = self._call(run, say, cancelled, change, bodies)
        written += called
        open_keys = run.calls.by_key
        cancelled = {k: d for k, d in cancelled.items() if k in open_keys and open_keys[k].state == CANCELLED}
        run.lease = Lease(fence=say.fence, at=say.at, cancelled=cancelled)
        keep = {key: msgspec.msgpack.encode(manifest) for key, manifest in bodies.items()}
        keep[LEASE] = msgspec.msgpack.encode(run.lease)
        drop = [*change.dropped, *(k for k in say.drop if k != LEASE)]
        for key, manifest in bodies.items():
            self._books.marks.hold(run.id, key, manifest.objects)
        kind = "called" if called else "committed" if any(isinstance(e, Committed) for e in events) else "say"
        done = self._books.write(run, kind, written, keep=keep, drop=[k for k in drop if k not in keep],
                                 then=lambda: self._said(run, made, change))  # fmt: skip
        await done
        if not run.live:
            await self._books.audit.durable()

    def _said(self, run: Run, made: list[Call], change: Change) -> None:
        """It is durable: nodes may know."""
        self._nodes.withdraw(run, change.withdrawn)
        for call in made:
            self._replies.watch(run, call)
        self._nodes.hand_out(run, made)
        if not run.live:
            self.finished(run)

    def _call(
        self, run: Run, say: Say, cancelled: dict[str, str], change: Change, bodies: dict[str, Manifest]
    ) -> tuple[list[Call], list[Called]]:
        """Calls that are new are journaled; those that there are already are attached to."""
        made: list[Call] = []
        rows: dict[tuple[int, int, int], list[CallRow]] = {}
        for spec in say.calls:
            held = run.calls.by_key.get(spec.key)
            if (
                held is not None
                and held.digest == spec.digest
                and (held.state != CANCELLED or not held.answer)
            ):
                if held.state == CANCELLED:
                    run.calls.reopen(held)
                    cancelled.pop(held.key, None)
                    made.append(held)
                run.calls.want(held)
                continue
            row = CallRow(spec.key, spec.digest, spec.node, spec.index, spec.place, spec.seed,
                          run.calls.number(spec.key, spec.digest), spec.deadline)  # fmt: skip
            rows.setdefault((spec.round, spec.ordinal, spec.task), []).append(row)
        called = []
        for (round, ordinal, number), calls in rows.items():
            task = say.tasks[number]
            key = f"task-{calls[0].digest.replace(':', '-')}"
            bodies[key] = task.payload
            event = Called(time=self._books.clock.time(), round=round, ordinal=ordinal, action=task.action, task=key,
                           config=task.config, alike=task.alike, calls=calls)  # fmt: skip
            one = run.take(event)
            run.know(key, task.payload)
            change.withdrawn += one.withdrawn
            fresh = [run.calls.by_key[row.key] for row in calls]
            for call in fresh:
                call.handed = False
            made += fresh
            called.append(event)
        return made, called

    def _decoded(self, run: Run, bodies: list[bytes]) -> list[Event]:
        events: list[Event] = []
        for body in bodies:
            try:
                event = decode(body)
            except msgspec.MsgspecError as error:
                raise Refusal(
                    400, "event.malformed", f"an event can't be read: {error}", "use a matching atoll"
                ) from error
            if not isinstance(event, _THEIRS) and not _found_unfit(event):
                kind = type(event).__name__.lower()
                raise Refusal(
                    400, "event.not-yours", f"a program does not write `{kind}` events", "let the coordinator"
                )
            events += capped(self._books, run, [event]) if isinstance(event, Logged) else [event]
        return events

    def _bodies(self, say: Say) -> dict[str, Manifest]:
        if LEASE in say.objects:
            raise Refusal(
                400, "event.bad-key", f"an object can't be kept under `{LEASE}`", "name it <kind>-<digest>"
            )
        return dict(say.objects)

    def _check(self, run: Run, say: Say) -> None:
        nodes = set(run.spec.nodes)
        for spec in say.calls:
            if spec.node not in nodes:
                raise Refusal(
                    400,
                    "node.unknown",
                    f"run {run.created.name} has no node `{spec.node}`",
                    "see `atoll show`",
                )
            if not 0 <= spec.task < len(say.tasks):
                raise Refusal(
                    400,
                    "call.no-task",
                    f"call {spec.key} names task {spec.task} of {len(say.tasks)}",
                    "send it along",
                )
        manifests = [*say.objects.values(), *(task.payload for task in say.tasks)]
        named = {digest for manifest in manifests for digest in manifest.objects}
        lack = named - self._books.tenancy.has(run.federation, named) if named else set()
        if lack:
            message = f"{len(lack)} objects are not here, such as {min(lack)}"
            raise Refusal(409, "object.missing", message, "upload them, then say it again")


def _tells(say: Say) -> bool:
    return bool(say.events or say.calls or say.cancel or say.drop or say.objects)


def _found_unfit(event: Event) -> bool:
    """Whether a program tells that what was accepted doesn't count for it: no call's answer, and it changes none."""
    return isinstance(event, Failed) and event.failure == "invalid" and not event.key
