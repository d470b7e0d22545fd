"""The calls that a node has in hand: which waits, which runs, and what happens when a worker dies.

Doesn't know the wire, or what is done with a finished call. What it does under its lock is quick.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from atoll.service.node._crew import Crew
from atoll.service.node._lane import Held, Lane
from atoll.service.workshop import Did, Failed, Ready, Said, Told, Unfit
from atoll.wire import Bad, Offer, RunSpec

if TYPE_CHECKING:
    from atoll.service.node._room import Room
    from atoll.service.node._site import Site
    from atoll.service.workshop import Worker

SOON = 1.0  # seconds that a call which nobody wants any more may go on for at least
DEATHS = 10  # of workers with one call in hand, before the call is given up


class Desk:
    """Every call in hand, and the workers."""

    def __init__(self, site: Site, room: Room, *, idle: float, turn: float) -> None:
        self._site, self._room = site, room
        self._lock = threading.RLock()
        self._held: dict[str, Held] = {}
        self._crew = Crew(site, room, idle=idle, turn=turn, evict=self._evict)
        self._closed = False
        self._empty = threading.Condition(self._lock)

    # -- what the coordinator wants --------------------------------------------------------------------------

    def have(self) -> tuple[dict[str, str], int]:
        """What is in hand, and how many more calls could be taken."""
        with self._lock:
            busy = sum(not held.finished for held in self._held.values())
            have = {id: held.digest for id, held in self._held.items() if not held.unwanted}
            return have, 0 if self._closed else max(0, self._room.slots - busy)

    def in_hand(self, run: str) -> set[int]:
        """The numbers of a run's calls in hand."""
        with self._lock:
            return {held.seq for held in self._held.values() if held.run == run}

    def take(self, offers: Iterable[Offer]) -> None:
        """Take calls on. One that is in hand already is not taken twice."""
        with self._lock:
            for offer in offers:
                if not self._closed and offer.wants is not None:
                    self._take(offer, offer.wants)
            self._advance()

    def turn_away(self, offer: Offer, message: str) -> None:
        """Answer that a call isn't done here."""
        with self._lock:
            held = None if self._closed else self._hold(offer)
            if held is not None:
                self._finish(held, Bad(failure="refused", message=message[:20_000]))

    def left(self, run: str, key: str, digest: str, seq: int) -> Held:
        """An answer that an earlier daemon left is in hand, too."""
        held = Held(run, key, digest, seq)
        with self._lock:
            self._held[held.id] = held
        return held

    def cancel(self, ids: Iterable[str]) -> None:
        """These are not wanted any more: what has not begun is dropped, what has may still end, if it does so soon.

        After as long as another worker takes to start, the one at work on it is ended: the node is free for what is wanted.
        """
        with self._lock:
            for id in ids:
                if (held := self._held.get(id)) is not None:
                    self._let_go(held)

    def drop(self, runs: Iterable[str]) -> None:
        """These runs are over: their workers end, and what was not finished is forgotten."""
        with self._lock:
            for run in runs:
                if (lane := self._crew.get(run)) is not None:
                    self._remove(lane)
            self._advance()

    # -- what becomes of a call ------------------------------------------------------------------------------

    def fetched(self, held: Held) -> None:
        """A call's objects are here."""
        with self._lock:
            held.here = True
            self._advance()

    def fail(self, held: Held, failure: str, message: str, traceback: str = "") -> None:
        """A call comes to nothing."""
        with self._lock:
            if held.finished:
                return
            lane = self._crew.get(held.run)
            if lane is not None and held in lane.waiting:
                lane.waiting.remove(held)
            if lane is not None and lane.running is held:
                self._crew.stop(lane, kill=True)
            self._finish(held, Bad(failure=failure, message=message[:20_000], traceback=traceback[-20_000:]))
            self._advance()

    def delivered(self, held: Held) -> None:
        """The coordinator has the answer, or can't have it: the call is no longer in hand."""
        with self._lock:
            if self._held.get(held.id) is held:
                del self._held[held.id]
                self._empty.notify_all()
                self._advance()  # what begins from its state waited for the verdict

    def started(self, lane: Lane, attempt: int, worker: Worker) -> None:
        """A run's worker has been started; it may have spoken already."""
        with self._lock:
            if not self._crew.adopt(lane, attempt, worker):
                self._site.end(worker, kill=True)

    def unstarted(self, lane: Lane, attempt: int) -> None:
        """Nobody starts this worker any more."""
        with self._lock:
            self._crew.gone(lane, attempt)
            self._advance()

    def unfit(self, lane: Lane, attempt: int, message: str, traceback: str = "") -> None:
        """No worker can be had: what waits for one comes to nothing."""
        with self._lock:
            if lane.attempt != attempt:
                return
            self._crew.stop(lane, kill=True)
            for held in list(lane.waiting):
                self.fail(held, "raised", f"this node can't load the app: {message}", traceback)

    def hear(self, lane: Lane, attempt: int, worker: Worker, told: Told | None) -> None:
        """What a worker tells; None: it ended."""
        if isinstance(told, Said):
            self._site.log(lane.spec.run, told.level, told.message, told.round)
            return
        finished: Held | None = None
        with self._lock:
            if told is None:
                self._crew.gone(lane, attempt)
            if not self._crew.adopt(lane, attempt, worker):
                if isinstance(told, Did):
                    self._site.discard(told)
                elif told is None:
                    self._advance()  # somebody may wait for what it held
                return
            if isinstance(told, Did | Failed):
                finished = self._done(lane, told)
            elif isinstance(told, Ready):
                lane.ready, lane.births = True, 0
                lane.birth = time.monotonic() - lane.begun
                self._crew.when_idle(lane)
            elif isinstance(told, Unfit):
                self.unfit(lane, attempt, told.message, told.traceback)
            else:
                self._ended(lane, worker)
            self._advance()
        if finished is not None:
            self._deliver(finished, told)

    def close(self) -> None:
        """Begin nothing more."""
        with self._lock:
            self._closed = True
            for lane in self._crew:
                for held in list(lane.waiting):
                    self._drop_waiting(held)

    def drain(self, seconds: float) -> None:
        """Wait for what is under way, so long at most; then end every worker."""
        ends = time.monotonic() + seconds
        with self._lock:
            while self._held and (left := ends - time.monotonic()) > 0:
                self._empty.wait(left)
            for lane in self._crew:
                self._remove(lane)

    # -- under the lock --------------------------------------------------------------------------------------

    def _hold(self, offer: Offer) -> Held | None:
        """A call is in hand from now on; None: it was."""
        id = f"{offer.run}/{offer.key}"
        known = self._held.get(id)
        if known is not None:
            if known.digest == offer.digest:
                known.unwanted = False
                return None
            self._let_go(known)  # another call stands under its key now
        held = self._held[id] = Held.of(offer)
        held.here = self._site.here(offer)
        return held

    def _take(self, offer: Offer, spec: RunSpec) -> None:
        held = self._hold(offer)
        if held is None:
            return
        if lack := self._room.given.lacks(spec):
            self._finish(held, Bad(failure="refused", message=f"this node is too small for the app: {lack}"))
            return
        self._crew.lane(spec).waiting.append(held)
        if not held.here:
            self._site.fetch(held)
        if offer.deadline is not None:
            late = f"no answer within its deadline of {offer.deadline:g} s"
            held.timer = self._site.after(offer.deadline, lambda: self.fail(held, "deadline", late))

    def _advance(self) -> None:
        self._crew.advance(self._can_begin, self._give)

    def _can_begin(self, held: Held) -> bool:
        """Its objects are here, and so is the verdict on the call whose state it begins from."""
        after = held.offer.state_after
        return held.here and not (
            after and any(h.finished and h.seq == after and h.run == held.run for h in self._held.values())
        )

    def _give(self, lane: Lane) -> None:
        held = lane.waiting.popleft()
        offer, state = held.offer, None
        if offer.state_after:
            state = self._site.state(offer.run, offer.state_after)
            if state is None:
                lost = (
                    f"this node has lost what it kept after call {offer.state_after}: was its home replaced?"
                )
                self._finish(held, Bad(failure="lost", message=lost))
                return
        assert lane.worker is not None
        self._crew.begin(lane, held)
        self._site.begun(offer)
        lane.worker.give(offer, state)

    def _done(self, lane: Lane, told: Did | Failed) -> Held | None:
        held = lane.running
        if held is None or held.offer.key != told.key:
            return None
        self._crew.end(lane)
        held.finish()
        return held

    def _deliver(self, held: Held, told: Told | None) -> None:
        outcome: Did | Bad | None = told if isinstance(told, Did) else None
        if isinstance(told, Failed):
            outcome = Bad(
                failure=told.kind, message=told.message[:20_000], traceback=told.traceback[-20_000:]
            )
        self._site.release(held)
        with self._lock:
            wanted = self._held.get(held.id) is held
        if wanted and outcome is not None:
            self._site.finish(held, outcome)
        elif isinstance(outcome, Did):
            self._site.discard(outcome)

    def _finish(self, held: Held, outcome: Bad) -> None:
        held.finish()
        self._site.release(held)
        if self._held.get(held.id) is held:
            self._site.finish_elsewhere(held, outcome)

    def _ended(self, lane: Lane, worker: Worker) -> None:
        """A worker died: its call is given to another, ten times at most."""
        was_ready, held = lane.ready, lane.running
        how = worker.how_it_ended()
        self._crew.stop(lane, kill=True)
        if held is not None:
            held.deaths += 1
            if held.unwanted:
                self._forget(held)
            elif held.deaths >= DEATHS:
                lost = f"its process died {DEATHS} times, the last time {how}"
                self._finish(held, Bad(failure="lost", message=lost))
            else:
                lane.waiting.appendleft(held)
                again = f"a worker died ({how}); its task is tried again"
                self._site.log(lane.spec.run, "warning", again, held.offer.round)
        elif not was_ready:
            lane.births += 1
            if lane.births >= DEATHS:
                lane.births = 0
                why = f"{DEATHS} workers died before they were ready, the last one {how}"
                for each in list(lane.waiting):
                    self.fail(each, "lost", why)

    def _remove(self, lane: Lane) -> None:
        for held in self._crew.remove(lane):
            self._forget(held)

    def _drop_waiting(self, held: Held) -> None:
        lane = self._crew.get(held.run)
        if lane is not None and held in lane.waiting:
            lane.waiting.remove(held)
            self._forget(held)

    def _let_go(self, held: Held) -> None:
        held.unwanted = True
        lane = self._crew.get(held.run)
        if not held.finished:
            self._drop_waiting(held)
        if lane is not None and lane.running is held:
            self._site.after(max(SOON, lane.birth), partial(self._give_up, lane, held))

    def _give_up(self, lane: Lane, held: Held) -> None:
        """Nobody wants what a worker does, and it goes on with it."""
        with self._lock:
            if lane.running is held and held.unwanted:
                self._crew.stop(lane, kill=True)
                self._forget(held)
                self._advance()

    def _forget(self, held: Held) -> None:
        held.finish()
        if self._held.get(held.id) is held:
            del self._held[held.id]
            self._empty.notify_all()
        self._site.release(held)

    def _evict(self, lane: Lane) -> None:
        with self._lock:
            self._crew.look(lane)
