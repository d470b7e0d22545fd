"""Asking a cohort once: hand out tasks, take replies in, yield them in cohort order or as they come.

Doesn't know who works on them, or what is done with the replies.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from atoll.app._check import unfit
from atoll.app._executor import Broken, Outcome, lasted, moment
from atoll.app._offerings import Offering
from atoll.app._record import stored_reply
from atoll.app._schedule import Schedule
from atoll.app._task import Failure, Reply, Task
from atoll.journal import Accepted
from atoll.values import RunError, TooFewReplies

if TYPE_CHECKING:
    from atoll.app._fleet import ExecutorFleet

AHEAD = 2  # tasks handed out ahead of the fold, in multiples of what is worked on at once


class Asked:
    """The replies of one cohort of an `ExecutorFleet`; see `Replies`."""

    def __init__(
        self,
        fleet: ExecutorFleet,
        tasks: Mapping[str, Task],
        schedule: Schedule,
        ordinal: int,
        available: int,
        *,
        same: Task | None = None,
    ) -> None:
        self._fleet, self._record, self._schedule, self._ordinal = fleet, fleet.record, schedule, ordinal
        self._tasks, self._same = tasks, same
        self._cohort = list(tasks)
        self._enough = schedule.enough(len(self._cohort), available)
        self._waiting: deque[int] = deque()  # indices not handed out yet
        self._running: dict[int, int] = {}  # call -> index
        self._ready: dict[int, Reply] = {}  # index -> accepted, not yielded
        self._arrived: deque[int] = deque()
        self._open: set[int] = set()  # indices without an outcome
        self._begun = False
        self._side_by_side = False  # in virtual time all are asked at once, when the order of answers counts
        self._asked: float | None = None
        self._round = fleet.record.round
        self.accepted = 0
        self._failures: list[Failure] = []

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The answers that do not count, so far."""
        return tuple(self._failures)

    def __len__(self) -> int:
        """The size of the cohort."""
        return len(self._cohort)

    @property
    def cohort(self) -> tuple[str, ...]:
        """The nodes asked, in order."""
        return tuple(self._cohort)

    def __iter__(self) -> Iterator[Reply]:
        """In cohort order: the order in which a fold is the same to the bit everywhere."""
        # with a quorum or over-selection the slowest must not hold up the others
        some = self._enough < len(self._cohort)
        ahead = len(self._cohort) if some else AHEAD * self._fleet.capacity
        self._begin(side_by_side=some)
        try:
            for index in range(len(self._cohort)):
                while index in self._open:
                    self._hand_out(index + ahead)
                    self._fleet.pump()
                if index in self._ready:
                    reply = self._ready.pop(index)
                    yield reply
                    self._done_with(reply)
        finally:
            self._end()
        self._judge()

    def arriving(self) -> Iterator[Reply]:
        """As they come."""
        self._begin(side_by_side=True)
        try:
            while self._arrived or self._open:
                while not self._arrived and self._open:
                    self._hand_out(len(self._cohort))
                    self._fleet.pump()
                if self._arrived:
                    reply = self._ready.pop(self._arrived.popleft())
                    yield reply
                    self._done_with(reply)
        finally:
            self._end()
        self._judge()

    def receive(self, outcome: Outcome) -> None:
        """Take one outcome in: the fleet calls this."""
        index = self._running.pop(outcome.id)
        node, action = self._cohort[index], self._tasks[self._cohort[index]].action
        if index not in self._open:  # cancelled meanwhile
            late = Failure(index, node, "late", "the round went on without this reply")
            self._record.fail(self._ordinal, action, late, round=self._round)
            return
        self._open.discard(index)
        if isinstance(outcome, Broken):
            failure = Failure(index, node, outcome.kind, outcome.message, outcome.traceback)
            self._failures.append(failure)
            self._record.fail(self._ordinal, action, failure, at=moment(outcome))
            return
        update = outcome.update
        reply = Reply(
            index,
            node,
            action,
            weight=update.weight,
            metrics=update.metrics,
            seconds=lasted(outcome),
            payload=update.payload if outcome.load is None else None,
            load=outcome.load,
        )
        if self._is_fit(reply):
            self._record.accept(self._ordinal, reply, outcome)
            self._take(reply)

    def _begin(self, *, side_by_side: bool) -> None:
        if self._begun:
            raise RunError(
                "replies.iterated-twice",
                "replies can be iterated once",
                "keep them: replies = list(fleet.ask(...))",
            )
        self._begun, self._round = True, self._record.round
        clock = self._record.clock
        if clock is not None:
            self._asked, self._side_by_side = clock.now, side_by_side
        self._open = set(range(len(self._cohort)))
        action = self._tasks[self._cohort[0]].action if self._cohort else ""
        self._replay(self._record.offer(self._ordinal, action, self._digest, self._cohort))
        self._waiting.extend(sorted(self._open))

    def _replay(self, offering: Offering) -> None:
        for index, event in offering.outcomes.items():
            if index not in self._open:
                continue
            self._open.discard(index)
            if self._record.clock is not None:
                self._record.clock.reach(event.virtual_time)
            if isinstance(event, Accepted):
                reply = stored_reply(self._record, event)
                if self._is_fit(reply):
                    self._take(reply)
            else:
                self._failures.append(
                    Failure(index, event.node, event.failure, event.message, event.traceback)
                )

    def _is_fit(self, reply: Reply) -> bool:
        """Whether it may be folded; made elsewhere, it is looked at once more."""
        if self._record.elsewhere and (wrong := unfit(self._tasks[reply.node], reply)):
            reply.refuse(wrong)
            self._failures.append(self._fleet.refuse(self._ordinal, reply))
        return not reply.refusal

    def _done_with(self, reply: Reply) -> None:
        if reply.refusal:
            self.accepted -= 1
            self._failures.append(self._fleet.refuse(self._ordinal, reply))
        reply.let_go()

    def _take(self, reply: Reply) -> None:
        self._ready[reply.index] = reply
        self._arrived.append(reply.index)
        self.accepted += 1
        if self.accepted == self._enough:
            self._cancel()

    def _hand_out(self, until: int) -> None:
        room = len(self._cohort) if self._side_by_side else max(1, self._fleet.capacity)
        while self._waiting and len(self._running) < room and self._waiting[0] < until:
            index = self._waiting.popleft()
            node = self._cohort[index]
            call = self._fleet.start(
                self,
                node,
                self._tasks[node],
                ordinal=self._ordinal,
                index=index,
                place=0,
                deadline=self._schedule.deadline,
                asked=self._asked,
            )
            self._running[call] = index

    def _cancel(self) -> None:
        """No more answers are wanted; those under way will be late."""
        self._waiting.clear()
        self._open.clear()
        self._fleet.cancel(set(self._running))

    def _end(self) -> None:
        self._cancel()
        self._ready.clear()
        self._record.reseed("asked", self._ordinal)  # clients may have drawn in this very process, or not

    def _judge(self) -> None:
        if self.accepted >= self._schedule.minimum:
            return
        first = self._failures[0] if self._failures else None
        why = f"; {first.node} {first.kind}: {first.message}" if first else ""
        message = f"{self.accepted} of {len(self._cohort)} nodes answered well, the schedule needs {self._schedule.minimum}{why}"
        error = TooFewReplies(
            "round.too-few-replies", message, "see `atoll log`, or run with --fail-fast to see where it fails"
        )
        error.failures = list(self._failures)
        raise error

    def _digest(self) -> str:
        digest = self._fleet.digest
        if self._same is not None:
            return digest(self._same)
        joined = "\n".join(f"{node} {digest(task)}" for node, task in self._tasks.items())
        return f"sha256:{hashlib.sha256(joined.encode()).hexdigest()}"
