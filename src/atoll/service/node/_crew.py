"""The workers of a node: one for each run at most, kept warm, each with the calls that wait for it.

Doesn't know what becomes of a call. Everything here happens under the desk's lock, and is quick.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from atoll.service.node._lane import Held, Lane
from atoll.wire import RunSpec

if TYPE_CHECKING:
    from atoll.service.node._site import Site
    from atoll.service.workshop import Worker


class Crew:
    """Lanes by run. So many calls run at once as there are slots, whichever runs they belong to."""

    def __init__(
        self, site: Site, *, slots: int, workers: int, idle: float, evict: Callable[[Lane], None]
    ) -> None:
        self._site, self._slots, self._most, self._idle = site, slots, max(workers, slots), idle
        self._evict = evict
        self._lanes: dict[str, Lane] = {}
        self._running = 0

    def __iter__(self) -> Iterator[Lane]:
        return iter(list(self._lanes.values()))

    def get(self, run: str) -> Lane | None:
        """The lane of a run that has one."""
        return self._lanes.get(run)

    def lane(self, spec: RunSpec) -> Lane:
        """The lane of a run."""
        return self._lanes.get(spec.run) or self._lanes.setdefault(spec.run, Lane(spec))

    def advance(self, can_begin: Callable[[Held], bool], give: Callable[[Lane], None]) -> None:
        """Begin what can begin: of several runs the one that was served longest ago."""
        waiting = [lane for lane in self._lanes.values() if lane.waiting and lane.running is None]
        for lane in sorted(waiting, key=lambda lane: lane.served) if len(waiting) > 1 else waiting:
            if lane.worker is None and not lane.starting:
                self._start(lane)
            if lane.free and self._running < self._slots and can_begin(lane.waiting[0]):
                give(lane)

    def begin(self, lane: Lane, held: Held) -> None:
        """A call is given to its worker."""
        lane.running, lane.served = held, time.monotonic()
        self._running += 1

    def end(self, lane: Lane) -> None:
        """The worker has finished its call."""
        lane.running, lane.served = None, time.monotonic()
        self._running -= 1
        self.when_idle(lane)

    def adopt(self, lane: Lane, attempt: int, worker: Worker) -> bool:
        """Take the worker that a lane waits for; whether it is the lane's now."""
        if lane.awaits(attempt):
            lane.worker, lane.starting = worker, False
        return lane.worker is worker

    def stop(self, lane: Lane, *, kill: bool = False) -> None:
        """Part with a worker, and with what it does."""
        if lane.running is not None:
            lane.running = None
            self._running -= 1
        worker = lane.leave()
        if worker is not None:
            self._site.end(worker, kill=kill)

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

    def _start(self, lane: Lane) -> None:
        workers = [each for each in self._lanes.values() if each.worker is not None or each.starting]
        if len(workers) >= self._most:
            idle = [each for each in workers if each.idle and each.worker is not None]
            if not idle:
                return  # one will be, and then this is looked at again
            self.stop(min(idle, key=lambda lane: lane.served))
        lane.starting, lane.attempt = True, lane.attempt + 1
        self._site.start(lane, lane.attempt)
