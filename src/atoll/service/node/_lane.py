"""What a node has in hand: calls, and for each run its worker with the calls that wait for it.

Doesn't know of threads, or when a call is given to a worker.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from atoll.service.node._alarm import Timer
from atoll.wire import Needs, Offer, RunSpec

if TYPE_CHECKING:
    from atoll.service.workshop import Worker


class Held:
    """A call in hand, from its offer until its answer is delivered."""

    def __init__(self, run: str, key: str, digest: str, seq: int, offer: Offer | None = None) -> None:
        self.run, self.id, self.digest, self.seq = run, f"{run}/{key}", digest, seq
        self._offer = offer
        self.here = False  # whether its objects are
        self.finished = offer is None
        self.unwanted = False
        self.deaths = 0  # of workers that had it
        self.timer: Timer | None = None  # of its deadline

    @classmethod
    def of(cls, offer: Offer) -> Held:
        """A call to be done."""
        return cls(offer.run, offer.key, offer.digest, offer.seq, offer)

    @property
    def offer(self) -> Offer:
        """What is to be done; an answer that an earlier daemon left has none."""
        assert self._offer is not None
        return self._offer

    def finish(self) -> None:
        """It has an outcome, or needs none."""
        self.finished = True
        if self.timer is not None:
            self.timer.cancel()


class Lane:
    """A run at this node: one worker, and the calls that wait for it."""

    def __init__(self, spec: RunSpec, needs: Needs) -> None:
        self.spec, self.needs = spec, needs
        self.waiting: deque[Held] = deque()
        self.running: Held | None = None
        self.worker: Worker | None = None
        self.starting, self.ready, self.over = False, False, False
        self.timed = False  # whether a look at its idleness is due
        self.attempt = 0  # to start a worker
        self.births = 0  # of workers that died before they were ready
        self.begun = 0.0  # when the last worker's start began
        self.birth = 0.0  # seconds that it took to be ready
        self.served = time.monotonic()
        self.turn: float | None = None  # when its worker began its first call

    @property
    def idle(self) -> bool:
        """Whether it has nothing to do."""
        return self.running is None and not self.waiting

    @property
    def free(self) -> bool:
        """Whether its worker can begin a call."""
        return self.ready and self.running is None

    def awaits(self, attempt: int) -> bool:
        """Whether the worker of this attempt is the one to come."""
        return self.starting and self.attempt == attempt and not self.over

    def leave(self) -> Worker | None:
        """Part with the worker, whatever it does."""
        worker, self.worker, self.ready, self.starting, self.turn = self.worker, None, False, False, None
        return worker
