"""An executor in virtual time: another one computes, a queue of events decides when its outcomes come.

Doesn't know of rounds or schedules. What is computed, and on how many workers, changes no moment: an outcome is given
out when nothing that is not computed yet could come before it.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable

from msgspec import structs

from atoll.app import Call, Clock, Executor, Outcome, Task, Timing
from atoll.runtime._errand import Errand
from atoll.runtime._paces import Paces

_Entry = tuple[float, int, int, Errand]  # when, in the order of asking, the version of that


class InVirtualTime:
    """Nodes work side by side, each at one task after the other; virtual seconds pass from outcome to outcome.

    - Calls whose outcome is known to come after those that are wanted are never computed; with workers at hand, a few
      are ahead of time.
    - A node that fails, or can't be in time, doesn't train; one that turns out to be late has trained for nothing.
    - A call that is cancelled leaves its node free at once.
    """

    def __init__(self, inner: Executor, clock: Clock, paces: Paces, *, notice: float = 0.0) -> None:
        self._inner, self._clock, self._paces, self._notice = inner, clock, paces, notice
        self._errands: dict[int, Errand] = {}  # neither given out nor forgotten
        self._nodes: dict[str, deque[Errand]] = {}  # what each works on, and what waits behind it
        self._events: list[_Entry] = []
        self._candidates: list[_Entry] = []  # to be computed, the soonest first
        self._computing: dict[int, Errand] = {}
        self._asked = 0
        self._size: tuple[Task, int] | None = None

    @property
    def capacity(self) -> int:
        return self._inner.capacity

    def start(self, call: Call) -> None:
        asked = self._clock.now if call.asked is None else call.asked
        pace = self._paces.of(call.node)
        self._asked += 1
        errand = Errand(call, asked, self._asked, self._paces.effort(call, self._bytes(call.task)), pace)
        self._errands[call.id] = errand
        line = self._nodes.setdefault(call.node, deque())
        line.append(errand)
        if len(line) == 1:
            self._begin(errand, asked)
        else:
            errand.queue()
            self._note(errand)

    def wait(self) -> list[Outcome]:
        while True:
            errand = self._soonest()
            if errand.settled:
                return [self._give_out(errand)]
            self._compute()

    def cancel(self, ids: Iterable[int]) -> set[int]:
        found = {id: self._errands.pop(id) for id in ids if id in self._errands}
        for errand in found.values():
            errand.forgotten = True
        for node in {errand.call.node for errand in found.values()}:
            self._shift(node, self._clock.now)
        under_way = [id for id in found if id in self._computing]
        for id in self._inner.cancel(under_way) if under_way else ():
            del self._computing[id]
        if not self._errands:
            self._events.clear()
            self._candidates.clear()
        return set(found)

    def close(self) -> None:
        self._inner.close()

    def _begin(self, errand: Errand, at: float) -> None:
        errand.start(max(errand.asked, at), self._notice)
        self._note(errand)
        if not errand.settled:
            heapq.heappush(self._candidates, (errand.at, errand.number, errand.version, errand))

    def _note(self, errand: Errand) -> None:
        heapq.heappush(self._events, (errand.at, errand.number, errand.version, errand))

    def _soonest(self) -> Errand:
        while True:
            _, _, version, errand = self._events[0]
            if version == errand.version and not errand.forgotten:
                return errand
            heapq.heappop(self._events)

    def _give_out(self, errand: Errand) -> Outcome:
        heapq.heappop(self._events)
        del self._errands[errand.call.id]
        errand.forgotten = True
        self._shift(errand.call.node, errand.at)
        self._clock.reach(errand.at)
        assert errand.outcome is not None
        return structs.replace(errand.outcome, timing=Timing(errand.asked, errand.at))

    def _shift(self, node: str, at: float) -> None:
        """What is over leaves a node's line, and the next in it begins."""
        line = self._nodes[node]
        head = line[0]
        left = deque(errand for errand in line if not errand.forgotten)
        if not left:
            del self._nodes[node]
            return
        self._nodes[node] = left
        if left[0] is not head:
            self._begin(left[0], at)

    def _compute(self) -> None:
        """Give the soonest to be computed to whoever has room, and take in what comes of it."""
        while self._candidates and len(self._computing) < max(1, self._inner.capacity):
            _, _, version, errand = heapq.heappop(self._candidates)
            if version == errand.version and not errand.forgotten and not errand.settled:
                self._computing[errand.call.id] = errand
                self._inner.start(structs.replace(errand.call, deadline=None, asked=None))
        for outcome in self._inner.wait():
            errand = self._computing.pop(outcome.id)
            if not errand.forgotten:
                errand.finish(outcome)
                self._note(errand)

    def _bytes(self, task: Task) -> int:
        if self._size is None or self._size[0] is not task:
            self._size = task, task.nbytes
        return self._size[1]
