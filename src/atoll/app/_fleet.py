"""The fleet: what a server app talks to. Simulated or deployed, a program cannot tell.

Doesn't know where nodes are; an executor carries the calls out, a record keeps what came of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, cast

from atoll.app._asking import Asked
from atoll.app._check import invalid
from atoll.app._executor import Adopter, Call, Executor, Outcome
from atoll.app._record import Record
from atoll.app._rounds import Rounds
from atoll.app._schedule import Schedule
from atoll.app._task import Failure, Reply, Task
from atoll.journal import Called, CallRow
from atoll.values import Arrays, ConfigError, NotFound, seeds_below, suggestion

if TYPE_CHECKING:
    from atoll.app._stream import Stream


class Replies(Protocol):
    """The answers of one cohort, to be iterated once: `for reply in replies`, or `for reply in replies.arriving()`.

    Nothing is asked before the iteration begins. What does not count is in `failures`. A stage that wraps a fleet gives
    replies of its own.
    """

    @property
    def cohort(self) -> Sequence[str]:
        """The nodes asked, in order."""
        ...

    @property
    def failures(self) -> Sequence[Failure]:
        """The answers that do not count, so far."""
        ...

    def __iter__(self) -> Iterator[Reply]:
        """In cohort order: the order in which a fold is the same to the bit everywhere."""
        ...

    def arriving(self) -> Iterator[Reply]:
        """As they come."""
        ...


class Fleet(Protocol):
    """The nodes a program may ask. Stages (clipping, noise, codecs ...) wrap one in another."""

    @property
    def nodes(self) -> Sequence[str]:
        """Names of the nodes that can be asked now."""
        ...

    def ask(self, task: Task | Mapping[str, Task], schedule: Schedule | None = None) -> Replies:
        """Ask a cohort to do a task, or each named node its own; iterate over what comes back.

        Raises `ConfigError` (`schedule.too-few-nodes`) and `NotFound` (`node.unknown`) here, and `TooFewReplies` at the
        end of the iteration when fewer than `schedule.minimum` replies were good.
        """
        ...

    def stream(self, task: Task, *, concurrency: int, schedule: Schedule | None = None) -> Stream:
        """Keep so many nodes busy; iterate over replies as they come, `send` the newer task (asynchronous mode)."""
        ...

    def rounds(self, total: int, initial: Mapping[str, Arrays]) -> Rounds:
        """The durable loop: rounds not committed yet, each to be ended with `commit`."""
        ...


class ExecutorFleet:
    """A fleet over an executor and a record. Driven by one thread: the program's.

    `digest` names a task's content: the same for the same content in every attempt of the run. With `fail_fast`, a reply
    that turns out not to count is an error of the program's.
    """

    def __init__(
        self,
        nodes: Sequence[str],
        executor: Executor,
        record: Record,
        *,
        seed: int,
        digest: Callable[[Task], str] = Task.digest,
        fail_fast: bool = False,
    ) -> None:
        self._fail_fast = fail_fast
        self._nodes, self._executor, self._record, self._seed = list(nodes), executor, record, seed
        self.digest = digest
        self._calls = 0
        self._place: tuple[int, int] | None = None
        self._seed_of = seeds_below(seed)
        self._owners: dict[int, Receiver] = {}

    @property
    def nodes(self) -> Sequence[str]:
        return tuple(self._nodes)

    @property
    def record(self) -> Record:
        """The run's record."""
        return self._record

    @property
    def seed(self) -> int:
        """The run's seed."""
        return self._seed

    @property
    def capacity(self) -> int:
        """How many tasks are worked on at once."""
        return self._executor.capacity

    def ask(self, task: Task | Mapping[str, Task], schedule: Schedule | None = None) -> Asked:
        schedule = schedule or Schedule()
        ordinal = self._record.next_ordinal()
        if isinstance(task, Task):
            cohort = schedule.cohort(self._nodes, self._seed, self._record.round, ordinal)
            return Asked(self, dict.fromkeys(cohort, task), schedule, ordinal, len(self._nodes), same=task)
        whole = replace(schedule, fraction=None, count=None, over=0.0)  # naming them was the selection
        return Asked(self, self._named(task, schedule), whole, ordinal, len(task))

    def stream(self, task: Task, *, concurrency: int, schedule: Schedule | None = None) -> Stream:
        from atoll.app._stream import Stream

        if not concurrency >= 1:
            raise ConfigError("schedule.invalid", f"concurrency is at least 1, not {concurrency}")
        return Stream(
            self,
            task,
            min(concurrency, len(self._nodes)),
            schedule or Schedule(),
            self._record.next_ordinal(),
        )

    def rounds(self, total: int, initial: Mapping[str, Arrays]) -> Rounds:
        return Rounds(self._record, total, initial)

    # -- for those who ask ---------------------------------------------------------------------------------

    def start(
        self,
        owner: Receiver,
        node: str,
        task: Task,
        *,
        ordinal: int,
        index: int,
        place: int,
        deadline: float | None,
        asked: float | None = None,
    ) -> int:
        """Hand a task to a node; its outcome comes to the owner. `place` tells tasks of one call and node apart."""
        self._calls += 1
        round = self._record.round
        if self._place != (round, ordinal):
            self._place, self._seed_of = (round, ordinal), seeds_below(self._seed, round, ordinal)
        seed = self._seed_of(f"{node}/{place}" if place else node)
        state = self._record.node_state(node)
        self._owners[self._calls] = owner
        self._executor.start(
            Call(self._calls, node, task, round, ordinal, seed, state, deadline, index, place, asked)
        )
        return self._calls

    def adopt(self, owner: Receiver, called: Called, row: CallRow) -> int:
        """Wait for what an earlier attempt asked; its outcome comes to the owner."""
        self._calls += 1
        self._owners[self._calls] = owner
        cast(Adopter, self._executor).adopt(self._calls, called, row)
        return self._calls

    def pump(self) -> None:
        """Wait for outcomes and give each to whoever asked."""
        for outcome in self._executor.wait():
            self._owners.pop(outcome.id).receive(outcome)

    def cancel(self, ids: set[int]) -> None:
        """Take back what has not begun."""
        for forgotten in self._executor.cancel(ids):
            del self._owners[forgotten]

    def refuse(self, ordinal: int, reply: Reply) -> Failure:
        """A reply that was accepted, or would have been, doesn't count: it was refused."""
        if self._fail_fast:
            raise invalid(reply.node, reply.refusal)
        failure = Failure(reply.index, reply.node, "invalid", reply.refusal)
        self._record.refuse(ordinal, reply, failure)
        return failure

    def _named(self, tasks: Mapping[str, Task], schedule: Schedule) -> dict[str, Task]:
        known = set(self._nodes)
        for node in tasks:
            if node not in known:
                raise NotFound(
                    "node.unknown", f"the fleet has no node `{node}`", suggestion(node, known, what="nodes")
                )
        if len(tasks) < schedule.minimum:
            message = f"the schedule needs {schedule.minimum} nodes, {len(tasks)} were named"
            raise ConfigError("schedule.too-few-nodes", message, "name more nodes, or lower the minimum")
        return {node: tasks[node] for node in self._nodes if node in tasks}


class Receiver(Protocol):
    """Whoever asked for something."""

    def receive(self, outcome: Outcome) -> None: ...
