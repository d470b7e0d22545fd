"""What the desk and the crew ask of the rest of the node.

Doesn't know who does it: a node, or a test.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from atoll.service.node._alarm import Timer
from atoll.service.node._lane import Held, Lane
from atoll.service.workshop import Did, Worker
from atoll.wire import Bad, Offer


class Site(Protocol):
    """All of it returns at once; `fetch` and `start` take their time on another thread."""

    def here(self, offer: Offer) -> bool:
        """Whether all objects of an offer are at this node; notes that they are needed."""
        ...

    def fetch(self, held: Held) -> None:
        """Get them, then tell `Desk.fetched` or `Desk.fail`."""
        ...

    def start(self, lane: Lane, attempt: int, devices: tuple[str, ...]) -> None:
        """Start a worker that sees these GPUs and tells `Desk.hear`, then tell `Desk.started`; or `Desk.unfit` and `Desk.unstarted`."""
        ...

    def state(self, run: str, seq: int) -> Path | None: ...

    def begun(self, offer: Offer) -> None:
        """A call is about to be given to a worker."""
        ...

    def finish(self, held: Held, outcome: Did | Bad) -> None:
        """A call came to its end: keep and deliver its answer, from this thread if that is quick."""
        ...

    def finish_elsewhere(self, held: Held, outcome: Bad) -> None:
        """The same, from another thread."""
        ...

    def release(self, held: Held) -> None:
        """A call needs its objects no more."""
        ...

    def discard(self, did: Did) -> None:
        """Nobody wants what a worker made."""
        ...

    def end(self, worker: Worker, *, kill: bool) -> None: ...

    def log(self, run: str, level: str, message: str, round: int | None = None) -> None: ...

    def after(self, seconds: float, do: Callable[[], None]) -> Timer: ...
