"""The calls of one run: open, answered, not wanted any more. Rebuilt from the run's events, whichever way they come.

Doesn't know who offers them, or how events are kept: the same functions take in what is replayed and what just happens.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from atoll.journal import Accepted, Called, CallRow, Failed
from atoll.service.coordinator._clock import Timer
from atoll.wire import Good

LATE_KEPT = 10_000  # calls not wanted any more whose answers are still recorded, as late

OPEN, CANCELLED, ACCEPTED, FAILED, LATE, VOID = "open", "cancelled", "accepted", "failed", "late", "void"


class Call:
    """One task for one node, and what became of it."""

    __slots__ = (
        "action", "alike", "answer", "answered", "config", "deadline", "digest", "due", "durable", "good", "handed", "heard", "index", "key",
        "node", "order", "ordinal", "place", "round", "seed", "seq", "state", "state_after", "task", "timer", "wanted",
    )  # fmt: skip

    def __init__(self, event: Called, row: CallRow, state_after: int) -> None:
        self.round, self.ordinal, self.action = event.round, event.ordinal, event.action
        self.task, self.config, self.alike = event.task, event.config, event.alike
        self.key, self.digest, self.node = row.key, row.digest, row.node
        self.index, self.place, self.seed, self.seq = row.index, row.place, row.seed, row.seq
        self.deadline = row.deadline
        self.due: float | None = None  # by the monotonic clock
        self.state_after = state_after
        self.state = OPEN
        self.handed = True  # as far as anybody knows after a restart; who just made it sets it
        self.order = 0  # among answers, the journal's
        self.answer = ""  # digest of the node's answer
        self.answered: Accepted | Failed | None = None
        self.good: Good | None = None  # while the program has not heard it, and there is room
        self.wanted, self.heard = True, False
        self.durable = True  # its outcome is, as far as there is one
        self.timer: Timer | None = None

    def settle(self, state: str) -> None:
        """It ended; its deadline does not matter any more."""
        self.state = state
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class Calls:
    """All calls of a run that may still matter."""

    def __init__(self) -> None:
        self.by_key: dict[str, Call] = {}  # of open rounds: open, cancelled or answered
        self.late: dict[str, Call] = {}
        self.answered: dict[str, Call] = {}  # in the order of the journal, not heard by the program yet
        self._numbers: dict[tuple[str, str], int] = {}
        self._last = self._order = 0
        self._changes: dict[str, list[tuple[int, int, int]]] = {}  # node -> seq, round, ordinal
        self._bases: dict[str, int] = {}

    def __iter__(self) -> Iterator[Call]:
        return iter(self.by_key.values())

    def number(self, key: str, digest: str) -> int:
        """The number of a call within the run; one asked for again has the one that it had."""
        known = self._numbers.get((key, digest))
        if known is None:
            self._last += 1
            known = self._numbers[key, digest] = self._last
        return known

    def open(self) -> Iterator[Call]:
        """Those that nodes are to answer."""
        return (call for call in self.by_key.values() if call.state == OPEN)

    def state_after(self, node: str) -> int:
        """The call after which a node's state counts now; 0: none."""
        changes = self._changes.get(node)
        return max(c[0] for c in changes) if changes else self._bases.get(node, 0)

    # -- events ----------------------------------------------------------------------------------------------

    def call(self, event: Called) -> tuple[list[Call], list[Call]]:
        """New calls, and those that they replace: the same key with another digest."""
        made, replaced = [], []
        for row in event.calls:
            before = self.by_key.get(row.key)
            if before is not None and before.digest != row.digest:
                replaced.append(before)
                self._leave(before, VOID)
            self._numbers[row.key, row.digest] = row.seq
            self._last = max(self._last, row.seq)
            self.late.pop(row.key, None)
            call = self.by_key[row.key] = Call(event, row, self.state_after(row.node))
            made.append(call)
        return made, replaced

    def accept(self, event: Accepted) -> Call | None:
        """An answer counts."""
        call = self.by_key.get(event.key)
        if call is None:
            return None
        call.settle(ACCEPTED)
        call.answer, call.answered = event.digest, event
        if event.state_changed:
            self._changes.setdefault(call.node, []).append((event.seq, call.round, call.ordinal))
        self._answer(call)
        return call

    def fail(self, event: Failed) -> Call | None:
        """An answer does not count, or there is none."""
        late = event.failure == "late"
        call = self.late.get(event.key) or self.by_key.get(event.key) if late else self.by_key.get(event.key)
        if call is None:
            return None
        call.settle(LATE if late else FAILED)
        call.answer, call.answered = event.digest, event
        if not late:
            self._answer(call)
        return call

    def cancel(self, key: str) -> Call | None:
        """A call is not wanted any more; it may be under way."""
        call = self.by_key.get(key)
        if call is None or call.state != OPEN:
            return None
        call.settle(CANCELLED)
        return call

    def reopen(self, call: Call) -> None:
        """A cancelled call is wanted after all."""
        call.state = OPEN

    def diverge(self, round: int, ordinal: int) -> list[Call]:
        """The program asks something else from here on: what was asked before is void."""
        if ordinal < 0:
            return []
        gone = [c for c in self if c.round == round and c.ordinal >= ordinal]
        for call in gone:
            self._leave(call, VOID)
        for node, changes in list(self._changes.items()):
            self._changes[node] = [c for c in changes if c[1] != round or c[2] < ordinal]
        return gone

    def commit(self, round: int, read: Collection[tuple[int, int]] = ()) -> list[Call]:
        """A round is done; returns those that nobody waits for any more.

        Streams outlive it: of theirs, those that the program has `read`, by ordinal and index, and those that it took back.
        """
        if round <= 0:
            return []
        done = [c for c in self if (_over(c, read) if c.ordinal < 0 else c.round == round)]
        self._close(done)
        for node, changes in self._changes.items():
            if changes:
                self._bases[node] = max(c[0] for c in changes)
        self._changes.clear()
        return done

    def finish(self, *, failed: bool) -> list[Call]:
        """The attempt is over. After a failure who failed is asked again, as whoever did not answer."""
        done = [c for c in self if c.answered is None or (failed and c.state == FAILED)]
        for call in done:
            self._leave(call, CANCELLED if call.state in (OPEN, CANCELLED) else call.state)
        for call in self:
            call.wanted = False
        return done

    def attend(self) -> None:
        """A new attempt of the program: it has asked for nothing yet."""
        for call in self:
            call.wanted, call.heard = False, False

    def unheard(self) -> list[Call]:
        """Answered calls that the program waits for, in the order of the journal."""
        return sorted((c for c in self.answered.values() if c.wanted and c.durable), key=lambda c: c.order)

    def hear(self, keys: Iterable[str]) -> None:
        """The program has taken these in."""
        for key in keys:
            call = self.answered.pop(key, None)
            if call is not None:
                call.heard, call.good = True, None

    def want(self, call: Call) -> None:
        """The program asks for a call that there is already."""
        call.wanted = True
        if call.answered is not None and call.state in (ACCEPTED, FAILED):
            self.answered.setdefault(call.key, call)

    # -- inside ----------------------------------------------------------------------------------------------

    def _answer(self, call: Call) -> None:
        self._order += 1
        call.order = self._order
        self.answered[call.key] = call

    def _close(self, calls: list[Call]) -> None:
        for call in calls:
            self._leave(call, LATE)
            self._numbers.pop((call.key, call.digest), None)

    def _leave(self, call: Call, state: str) -> None:
        """It is in no open round any more; if a node may answer it yet, that will be late, or void."""
        self.by_key.pop(call.key, None)
        self.answered.pop(call.key, None)
        waiting = call.answered is None and call.handed
        call.good = None
        call.settle(state)
        if waiting:
            self.late[call.key] = call
            if len(self.late) > LATE_KEPT:
                del self.late[next(iter(self.late))]


def _over(call: Call, read: Collection[tuple[int, int]]) -> bool:
    """Whether nobody will ask for a stream's call again."""
    told = call.state == CANCELLED or (call.state == FAILED and call.heard)
    return told or (call.ordinal, call.index) in read


def verdict_of(call: Call) -> str:
    """What a node that answered is told."""
    return "accepted" if call.state in (ACCEPTED, FAILED) else call.state


__all__ = ["ACCEPTED", "CANCELLED", "FAILED", "LATE", "OPEN", "VOID", "Call", "Calls", "verdict_of"]
