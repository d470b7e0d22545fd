"""The workers of a node: one for each run at most, kept warm, each with the calls that wait for it.

Doesn't know what becomes of a call. Everything here happens under the desk's lock, and is quick.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from atoll.service.node._lane import Held, Lane
from atoll.service.node._room import Claim, Left, Room, lacking
from atoll.wire import RunSpec

if TYPE_CHECKING:
    from atoll.service.node._site import Site
    from atoll.service.workshop import Worker


class Crew:
    """Lanes by run. Calls run, and workers are started, as far as there is room.

    The run that was served longest ago comes first. What it lacks is kept free for it, and the others take what is left:
    so small ones go on beside a large one, and it is never starved. A worker makes way for another run's when it has
    nothing to do, or has had its `turn`, in seconds.
    """

    def __init__(
        self, site: Site, room: Room, *, idle: float, turn: float, evict: Callable[[Lane], None]
    ) -> None:
        self._site, self._room, self._idle, self._turn = site, room, idle, turn
        self._evict = evict
        self._lanes: dict[str, Lane] = {}
        self._claims: dict[tuple[Lane, int], Claim] = {}  # by lane and attempt

    def __iter__(self) -> Iterator[Lane]:
        return iter(list(self._lanes.values()))

    def get(self, run: str) -> Lane | None:
        """The lane of a run that has one."""
        return self._lanes.get(run)

    def lane(self, spec: RunSpec) -> Lane:
        """The lane of a run."""
        lane = self._lanes.get(spec.run)
        if lane is None:
            lane = self._lanes[spec.run] = Lane(spec, self._room.given.needs(spec))
        return lane

    def advance(self, can_begin: Callable[[Held], bool], give: Callable[[Lane], None]) -> None:
        """Begin what can begin."""
        waiting = [lane for lane in self._lanes.values() if lane.waiting and lane.running is None]
        if not waiting:
            return
        left = self._room.left()
        for lane in sorted(waiting, key=lambda lane: lane.served):
            can = can_begin(lane.waiting[0])
            if lane.worker is None and not lane.starting:
                self._start(lane, left, can, can_begin)
            if lane.free and can:
                fits = left.holds_call(lane.needs)
                left.take_call(lane.needs)
                if fits:
                    give(lane)

    def begin(self, lane: Lane, held: Held) -> None:
        """A call is given to its worker."""
        lane.running, lane.served = held, time.monotonic()
        lane.turn = lane.turn or lane.served
        self._room.begin(lane, lane.needs)

    def end(self, lane: Lane) -> None:
        """The worker has finished its call."""
        lane.running, lane.served = None, time.monotonic()
        self._room.end(lane)
        self.when_idle(lane)

    def adopt(self, lane: Lane, attempt: int, worker: Worker) -> bool:
        """Take the worker that a lane waits for; whether it is the lane's now."""
        if lane.awaits(attempt):
            lane.worker, lane.starting = worker, False
        return lane.worker is worker

    def stop(self, lane: Lane, *, kill: bool = False) -> None:
        """Part with a worker, and with what it does."""
        lane.running = None
        self._room.end(lane)
        if (claim := self._claims.get((lane, lane.attempt))) is not None:
            claim.leaving = True
        worker = lane.leave()
        if worker is not None:
            self._site.end(worker, kill=kill)

    def gone(self, lane: Lane, attempt: int) -> None:
        """The worker of this attempt has ended, or there won't be one: what it held is free."""
        if (claim := self._claims.pop((lane, attempt), None)) is not None:
            self._room.release(claim)

    def remove(self, lane: Lane) -> list[Held]:
        """The run is over here; what its lane held is returned."""
        lane.over = True
        left = [*lane.waiting, *filter(None, [lane.running])]
        lane.waiting.clear()
        self._lanes.pop(lane.spec.run, None)
        self.stop(lane, kill=lane.running is not None or not lane.ready)
        return left

    def when_idle(self, lane: Lane) -> None:
        """Look again when it may have been idle for too long."""
        if lane.idle and not lane.timed:
            lane.timed = True
            self._site.after(self._idle, lambda: self._evict(lane))

    def look(self, lane: Lane) -> None:
        """End a worker that has been idle for too long."""
        lane.timed = False
        if lane.worker is None or not lane.idle:
            return
        left = lane.served + self._idle - time.monotonic()
        if left <= 0:
            self.stop(lane)
        else:
            lane.timed = True
            self._site.after(left, lambda: self._evict(lane))

    # -- inside ----------------------------------------------------------------------------------------------

    def _start(self, lane: Lane, left: Left, can: bool, can_begin: Callable[[Held], bool]) -> None:
        """Start a worker, if need be in the place of others; what it lacks is kept free if it could begin at once."""
        if not left.holds_worker(lane.needs):
            self._make_room(lane, left, can, can_begin)
        if left.holds_worker(lane.needs):
            lane.starting, lane.attempt, lane.begun = True, lane.attempt + 1, time.monotonic()
            claim = self._claims[lane, lane.attempt] = self._room.claim(lane.needs)
            left.take_worker(lane.needs)
            self._site.start(lane, lane.attempt, claim.devices)
        elif can:
            left.take_worker(lane.needs)

    def _make_room(self, lane: Lane, left: Left, can: bool, can_begin: Callable[[Held], bool]) -> None:
        """Have workers end for a lane's: as few as will do, or none."""
        lack = lacking(left, lane.needs)
        going = []
        for each in self._dispensable(lane, can, can_begin):
            if not lack:
                break
            if lack.less(self._claims[each, each.attempt]):
                going.append(each)
        if lack:
            return
        for each in going:
            claim = self._claims[each, each.attempt]
            left.workers += 1
            left.coming_gpus += len(claim.devices)
            left.coming_memory += claim.memory
            self.stop(each)

    def _dispensable(self, lane: Lane, can: bool, can_begin: Callable[[Held], bool]) -> list[Lane]:
        """Whose workers may make way for a lane's: those without a call first, those that were used longest ago first."""
        now = time.monotonic()
        found = []
        for each in self._lanes.values():
            if each.running is not None or each.worker is None:
                continue
            had = each.turn is not None and now - each.turn >= self._turn and each.served > lane.served
            if each.idle or (can and (had or not can_begin(each.waiting[0]))):
                found.append(each)
        return sorted(found, key=lambda each: (not each.idle, each.served))
