"""A stream: the asynchronous form of asking. Send, collect as they come, send the newer model.

Doesn't know how updates are combined. Replies come in the order in which they arrive; that order is journaled.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING

from atoll.app._check import unfit
from atoll.app._executor import Broken, Done, Outcome, lasted, moment
from atoll.app._free import Free
from atoll.app._record import stored_reply
from atoll.app._schedule import Schedule
from atoll.app._task import Failure, Reply, Task
from atoll.journal import PROLOGUE
from atoll.values import TooFewReplies, derive_seed

if TYPE_CHECKING:
    from atoll.app._fleet import ExecutorFleet

GIVING_UP = 3  # every node of the fleet failed so many times in a row, without one good reply


class Stream:
    """An endless iterator over replies from `concurrency` nodes at a time; end it with `break` or `close()`.

    Each node that is free is as likely as any other to be the next. `reply.staleness` is how many newer tasks were
    sent since the one that it answers. Raises `TooFewReplies` when nobody answers well any more.
    """

    def __init__(
        self, fleet: ExecutorFleet, task: Task, concurrency: int, schedule: Schedule, ordinal: int
    ) -> None:
        self._fleet, self._record, self._deadline = fleet, fleet.record, schedule.deadline
        self._task, self._version, self._concurrency = task, 0, concurrency
        self._ordinal = (
            -1 - ordinal
        )  # streams outlive rounds, so their numbers stand apart from those of a round's calls
        # in virtual time a round's stream comes out the same each time that it is run through
        anew = self._record.clock is not None and self._record.round > PROLOGUE
        self._sent = 0 if anew else self._record.streams.count(self._ordinal)
        self._running: dict[int, tuple[int, str, str, int]] = {}  # call -> index, node, action, version
        self._nodes = list(fleet.nodes)
        self._free = Free(self._nodes)
        self._arrived: deque[tuple[Reply, Done | None]] = deque(  # without Done: accepted before
            (stored_reply(self._record, e, staler=self._behind(e.index)), None)
            for e in ([] if anew else self._record.streamed(self._ordinal))
        )
        self._bad_in_a_row = 0
        self._closed = False
        self.failures: list[Failure] = []
        for called, row in self._record.streams.unanswered(self._ordinal):
            call = fleet.adopt(self, called, row)
            version = self._version - self._behind(row.index)
            self._running[call] = (row.index, row.node, called.action, version)
            self._free.take(row.node)

    def send(self, task: Task) -> None:
        """What the nodes that become free are given from now on."""
        self._task, self._version = task, self._version + 1

    def __iter__(self) -> Iterator[Reply]:
        while not self._closed:
            while not self._arrived:
                self._keep_busy()
                self._fleet.pump()
                if not self._arrived:
                    self._judge()
            reply, done = self._arrived.popleft()
            if done is not None:  # now, and not on arrival: what a commit leaves unread is asked for again
                self._record.accept(self._ordinal, reply, done)
            else:
                self._record.read_again(self._ordinal, reply)
            if self._record.elsewhere and (wrong := unfit(self._task, reply)):
                reply.refuse(wrong)
            else:
                yield reply
            self._done_with(reply)

    def close(self) -> None:
        """Ask nobody any more; what is under way will be late."""
        self._closed = True
        self._fleet.cancel(set(self._running))

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def receive(self, outcome: Outcome) -> None:
        """Take one outcome in: the fleet calls this."""
        index, node, action, version = self._running.pop(outcome.id)
        self._free.give(node)
        if self._closed or isinstance(outcome, Broken):
            late = Failure(index, node, "late", "the stream was closed before this reply")
            broken = outcome if isinstance(outcome, Broken) else None
            failure = Failure(index, node, broken.kind, broken.message, broken.traceback) if broken else late
            self.failures.append(failure)
            self._bad_in_a_row += 1
            self._record.fail(self._ordinal, action, failure, at=moment(outcome))
            return
        update, stale = outcome.update, self._version - version
        reply = Reply(index, node, action, weight=update.weight, metrics=update.metrics, seconds=lasted(outcome),
                      staleness=stale, payload=update.payload if outcome.load is None else None, load=outcome.load)  # fmt: skip
        self._arrived.append((reply, outcome))

    def _done_with(self, reply: Reply) -> None:
        if reply.refusal:
            self.failures.append(self._fleet.refuse(self._ordinal, reply))
            self._bad_in_a_row += 1
            self._judge()
        else:
            self._bad_in_a_row = 0
        reply.let_go()

    def _behind(self, index: int) -> int:
        """How many newer tasks earlier attempts sent since a call's own, the one that this begins with included."""
        newest = self._record.streams.newest(self._ordinal)
        newer = newest != "" and newest != self._fleet.digest(self._task)
        return self._record.streams.behind(self._ordinal, index) + newer

    def _keep_busy(self) -> None:
        while len(self._running) < self._concurrency:
            node = self._free.any(derive_seed(self._fleet.seed, "stream", self._ordinal, self._sent))
            self._free.take(node)
            call = self._fleet.start(
                self,
                node,
                self._task,
                ordinal=self._ordinal,
                index=self._sent,
                place=self._sent + 1,
                deadline=self._deadline,
            )
            self._running[call] = (self._sent, node, self._task.action, self._version)
            self._sent += 1

    def _judge(self) -> None:
        if self._bad_in_a_row >= GIVING_UP * len(self._nodes):
            last = self.failures[-1]
            message = f"the last {self._bad_in_a_row} replies of a stream all failed; {last.node} {last.kind}: {last.message}"
            error = TooFewReplies(
                "round.too-few-replies", message, "see `atoll log`, or run with --fail-fast"
            )
            error.failures = self.failures[-len(self._nodes) :]
            raise error
