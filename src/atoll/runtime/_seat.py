"""A worker's place in a pool: the calls it has in hand, and the tasks it was told about.

Doesn't know which calls it will get.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Mapping
from typing import Any

from atoll.app import Call, Task
from atoll.runtime._arena import Arena, Parcel, discard
from atoll.runtime._messages import Do, Give, ToWorker
from atoll.runtime._process import Process

KEPT_TASKS = 4  # a worker remembers


class Seat:
    """The place of one worker: its process, the calls it has, the tasks it knows."""

    def __init__(self, process: Process, tasks: Tasks) -> None:
        self._tasks = tasks
        self._known: OrderedDict[int, Task] = OrderedDict()
        self.calls: deque[Call] = deque()
        self._lent: dict[int, str] = {}  # to the call of that id
        self.ends: float | None = None
        self.sit(process)

    def sit(self, process: Process) -> None:
        self.process, self.ready = process, False

    def give(self, call: Call) -> None:
        messages: list[ToWorker] = []
        key = id(call.task)
        if key not in self._known:
            messages.append(self._introduce(key, call.task))
        self._known.move_to_end(key)
        self.calls.append(call)
        state = (
            self._tasks.parcel(call.state, f"given-{call.id}-{time.monotonic_ns()}")
            if call.state
            else Parcel()
        )
        over = self._lent[call.id] = self._tasks.arena.lend()
        messages.append(Do(call.id, key, call.node, call.round, call.ordinal, call.seed, state, over))
        self.process.send(*messages)
        if len(self.calls) == 1:
            self._begin(call)

    def finish(self, reply: Parcel) -> Call:
        """The first call is done; a file that was lent for its reply and not used is spare again."""
        call = self.calls.popleft()
        lent = self._lent.pop(call.id)
        if lent and lent != reply.path:
            self._tasks.arena.spare(lent)
        self.ends = None
        if self.calls:
            self._begin(self.calls[0])
        return call

    def leave(self) -> list[Call]:
        """The worker is gone; the calls that it had."""
        calls = list(self.calls)
        self.calls.clear()
        for lent in self._lent.values():
            discard(Parcel(path=lent))
        self._lent.clear()
        self.ends = None
        for task in self._known.values():
            self._tasks.let_go(task)
        self._known.clear()
        return calls

    def _begin(self, call: Call) -> None:
        self.ends = None if call.deadline is None else time.monotonic() + call.deadline

    def _introduce(self, key: int, task: Task) -> Give:
        forget = []
        in_hand = {id(c.task) for c in self.calls}
        while (
            len(self._known) >= KEPT_TASKS
            and (oldest := next((k for k in self._known if k not in in_hand), None)) is not None
        ):
            self._tasks.let_go(self._known.pop(oldest))
            forget.append(oldest)
        self._known[key] = task
        return Give(key, task.action, dict(task.config), task.alike, self._tasks.take(task), forget)


class Tasks:
    """The parcels of tasks that some worker knows: each is packed once."""

    def __init__(self, arena: Arena) -> None:
        self.arena = arena
        self._parcels: dict[int, tuple[Parcel, int]] = {}
        self._made = 0

    def take(self, task: Task) -> Parcel:
        parcel, users = self._parcels.get(id(task), (None, 0))
        if parcel is None:
            self._made += 1
            parcel = self.arena.put(task.payload, f"task-{self._made}")
        self._parcels[id(task)] = (parcel, users + 1)
        return parcel

    def let_go(self, task: Task) -> None:
        parcel, users = self._parcels.pop(id(task))
        if users > 1:
            self._parcels[id(task)] = (parcel, users - 1)
        else:
            discard(parcel)

    def parcel(self, payload: Mapping[str, Any], name: str) -> Parcel:
        return self.arena.put(payload, name)
