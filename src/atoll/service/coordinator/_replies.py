"""Answers: each counts once, is durable before it is acknowledged, and is told to the program that waits for it.

Doesn't know how calls reach nodes, or what an update means.
"""

from __future__ import annotations

import math

import msgspec

from atoll.journal import Accepted, Failed, Held, Logged
from atoll.service.coordinator._books import Books, log
from atoll.service.coordinator._calls import CANCELLED, FAILED, LATE, OPEN, VOID, Call, verdict_of
from atoll.service.coordinator._nodes import Nodes
from atoll.service.coordinator._refusals import Refusal
from atoll.service.coordinator._run import Run
from atoll.values import AtollError, Metrics
from atoll.wire import Answer, Bad, Good, Lines, Manifest, Ok, Verdict, metrics_of

AT_HAND = 64 << 10  # bytes of an answer that is kept in memory for the program
AGAIN = 1.0  # seconds after which a deadline that could not be written is tried again
_KINDS = ("raised", "deadline", "invalid", "lost", "refused")


class Replies:
    """What nodes have to say of their calls."""

    def __init__(self, books: Books, nodes: Nodes) -> None:
        self._books, self._nodes = books, nodes
        self.accepted = self.failed = self.late = self.conflicts = 0
        nodes.lost = self.lost

    async def reply(self, answer: Answer) -> Verdict:
        """Take an answer in. The same again gets the same verdict; another one to the same call is refused."""
        node = self._nodes.presence.known(answer.name, answer.session)
        run = self._books.runs.get(answer.run)
        if run is None:
            return Verdict(status="late", message="the run has ended")
        self._books.ready()
        objects = answer.outcome.payload.objects if isinstance(answer.outcome, Good) else {}
        if objects:
            await self._books.marks.gate()
        call = run.calls.by_key.get(answer.key) or run.calls.late.get(answer.key)
        if call is None:
            return Verdict(status="late", message="nobody waits for it any more")
        if (
            call.digest != answer.call
            or call.node != self._nodes.name_in(run.federation, node)
            or call.state == VOID
        ):
            return Verdict(status="void", message="the program asks something else now")
        if call.answer:
            return await self._again(run, call, answer)
        if call.state == FAILED:  # at its deadline
            return Verdict(status="late", message="it came after its deadline")
        if call.state in (CANCELLED, LATE):
            return await self._late(run, call, answer)
        lack = sorted(objects.keys() - self._books.tenancy.has(run.federation, objects)) if objects else []
        if lack:
            return Verdict(status="refused", lack=lack, message="upload these, then answer again")
        if odd := self._books.tenancy.wrong_size(objects):
            answer = _invalid(answer, f"object {odd} hasn't {objects[odd]:,} bytes")
        await self._take(run, call, _sound(answer))
        return Verdict(status="void" if call.state == VOID else "accepted")

    async def lines(self, lines: Lines) -> Ok:
        """Lines for the logs of runs, as far as there is room."""
        node = self._nodes.presence.known(lines.name, lines.session)
        self._books.ready()
        found: dict[str, list[Logged]] = {}
        for line in lines.lines:
            run = self._books.runs.get(line.run)
            name = self._nodes.name_in(run.federation, node) if run is not None else ""
            if run is not None and name in run.created.nodes:
                event = Logged(time=self._books.clock.time(), message=line.message, level=line.level,
                               round=line.round, node=name)  # fmt: skip
                found.setdefault(run.id, []).append(event)
        for name, events in found.items():
            run = self._books.runs[name]
            kept = capped(self._books, run, events)
            for one in kept:
                run.take(one)
            if kept:
                self._books.write(run, "say", kept)
        if found:
            await self._books.durable()
        return Ok()

    def watch(self, run: Run, call: Call) -> None:
        """Let a call's deadline begin."""
        if call.deadline is not None and call.state == OPEN:
            call.due = self._books.clock.monotonic() + call.deadline
            call.timer = self._books.clock.call_later(call.deadline, lambda: self._expire(run, call))

    def lost(self, run: Run, call: Call) -> None:
        """Nobody can answer a call any more: its node is none of the federation now. The schedule decides how to go on."""
        how = Bad(failure="lost", message=f"{call.node} is not on the roster of {run.federation} any more")
        if self._give_up(run, call, how):
            self._books.say(
                run, "warning", f"{how.message}: its call is lost", node=call.node, round=call.round
            )

    # -- inside ----------------------------------------------------------------------------------------------

    async def _take(self, run: Run, call: Call, answer: Answer) -> None:
        event, keep = self._event(run, call, answer)
        run.take(event)
        call.durable = False
        good = answer.outcome if isinstance(answer.outcome, Good) else None
        if good is not None and call.wanted and _size(good.payload) <= AT_HAND:
            call.good = good

        number = run.number

        def then() -> None:
            call.durable = True
            self._books.usage.took(run.id, run.federation, run.user, number, event)
            if good is not None:
                self.accepted += 1
                self._books.audit.accepted(run.id, run.federation, call.node, call.key, answer.digest)
                came = len(good.payload.inline) + len(good.payload.plain)
                self._books.usage.moved(run.federation, run.user, came=came)
                self._books.marks.hold(
                    run.id, event.payload if isinstance(event, Accepted) else "", good.payload.objects
                )
            else:
                self.failed += 1
            run.wake_program()

        kind = "accepted" if good is not None else "failed"
        done = self._books.write(run, kind, (event,), keep=keep, then=then)
        self._nodes.settled(run, call)
        await done

    def _event(self, run: Run, call: Call, answer: Answer) -> tuple[Accepted | Failed, dict[str, bytes]]:
        at, how = self._books.clock.time(), answer.outcome
        round = (
            call.round if call.ordinal >= 0 else max(run.round, call.round)
        )  # a stream's counts where it came
        if isinstance(how, Bad):
            return self._failed(call, how, answer.digest), {}
        key = f"reply-{answer.digest.replace(':', '-')}"
        event = Accepted(
            time=at, round=round, ordinal=call.ordinal, index=call.index, node=call.node, action=call.action,
            weight=how.weight, metrics=metrics_of(how), seconds=how.seconds, payload=key, key=call.key, digest=answer.digest,
            seq=call.seq, state_changed=how.state_changed, data=[Held(call.node, d.name, d.rows, d.fingerprint) for d in how.data],
            versions=how.versions,
        )  # fmt: skip
        return event, {key: msgspec.msgpack.encode(how.payload)}

    def _failed(self, call: Call, how: Bad, digest: str = "") -> Failed:
        kind = how.failure if how.failure in (*_KINDS, "late") else "invalid"
        return Failed(
            time=self._books.clock.time(), round=call.round, ordinal=call.ordinal, index=call.index, node=call.node,
            action=call.action, failure=kind, message=how.message[:4000], traceback=how.traceback, key=call.key, digest=digest,
        )  # fmt: skip

    async def _again(self, run: Run, call: Call, answer: Answer) -> Verdict:
        """A call that has its answer: the stored verdict, or a conflict."""
        if call.answer != answer.digest:
            self.conflicts += 1
            message = f"{call.node} answered call {call.key} twice, differently: {call.answer} counts, {answer.digest} does not"
            self._books.say(run, "error", message, node=call.node, round=call.round)
            raise Refusal(
                409, "reply.conflict", message, "keep the first answer; an app's task should not be run twice"
            )
        await self._books.durable()
        return Verdict(status=verdict_of(call))

    async def _late(self, run: Run, call: Call, answer: Answer) -> Verdict:
        how = Bad(failure="late", message="the round went on without this reply")
        event = self._failed(call, how, answer.digest)
        run.take(event)
        self.late += 1
        done = self._books.write(run, "failed", (event,))
        self._nodes.settled(run, call)
        await done
        return Verdict(status="late", message=how.message)

    def _expire(self, run: Run, call: Call) -> None:
        how = Bad(failure="deadline", message=f"no answer within {call.deadline or 0:g} seconds")
        if self._give_up(run, call, how):
            log.info("call %s of run %s: no answer within its deadline", call.key, run.id)

    def _give_up(self, run: Run, call: Call, how: Bad) -> bool:
        """Whether a call has failed by this; when that can't be written, it is tried again."""
        if call.state != OPEN or run.calls.by_key.get(call.key) is not call:
            return False
        event = self._failed(call, how)

        def then() -> None:
            call.durable = True
            run.wake_program()

        try:
            self._books.ready()
            done = self._books.write(run, "failed", (event,), then=then)
        except Refusal:
            self._books.clock.call_later(AGAIN, lambda: self._give_up(run, call, how))
            return False
        run.take(event)
        call.durable = False
        done.add_done_callback(lambda f: f.cancelled() or f.exception())
        self._nodes.withdraw(run, (call,))
        return True


def capped(books: Books, run: Run, events: list[Logged]) -> list[Logged]:
    """Lines that the run's log still takes; once there is no room, one last line says so."""
    if run.has_room(e.message for e in events):
        return events
    if run.told_cap:
        return []
    run.told_cap = True
    message = f"the log of this run is full ({run.lines:,} lines): what comes now is dropped"
    return [Logged(time=books.clock.time(), level="warning", message=message)]


def _sound(answer: Answer) -> Answer:
    """The answer; or that it can't count, for a node's own program would never have sent it so."""
    how = answer.outcome
    if isinstance(how, Bad):
        return answer
    if not 0 <= how.weight < math.inf:
        return _invalid(answer, f"a weight is finite and not negative, not {how.weight}")
    try:
        Metrics(metrics_of(how))
    except AtollError as error:
        return _invalid(answer, error.message)
    return answer


def _invalid(answer: Answer, why: str) -> Answer:
    return msgspec.structs.replace(answer, outcome=Bad(failure="invalid", message=why[:4000]))


def _size(manifest: Manifest) -> int:
    return len(manifest.inline) + len(manifest.plain) + 100 * len(manifest.objects)
