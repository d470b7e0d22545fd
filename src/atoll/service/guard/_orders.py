"""The orders that a machine has taken on, by run, on its disk: a run that began in time goes on however long it takes.

Doesn't know whether an order is a good one. Of a run that was removed it is kept, until it would have expired anyway, that
it was here: what was ended doesn't begin again by its old order.
"""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import final

import msgspec

from atoll.service.guard._objections import Objection
from atoll.values import UNREADABLE, write_privately

LONGEST = 31 * 24 * 3600  # seconds that an order may be good for
EARLY = 24 * 3600  # seconds by which its signer's clock may be ahead of this machine's


class Taken(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An order that was good when it was first seen. `first` is the first key of whoever signed it."""

    order: str  # its id
    first: str
    expires: int
    removed: bool = False


@final
class Orders:
    """One small file for each run."""

    def __init__(self, folder: Path, now: float) -> None:
        self._folder, self._lock = folder, threading.Lock()
        folder.mkdir(mode=0o700, exist_ok=True)
        self._sweep(now)

    def taken(self, run: str) -> Taken | None:
        """What is known of a run."""
        with contextlib.suppress(FileNotFoundError, *UNREADABLE):
            return msgspec.json.decode(self._path(run).read_bytes(), type=Taken)
        return None

    def take(self, run: str, order: Taken, *, issued: int, now: float) -> None:
        """Take an order on, when it is the run's and in its time. Raises an `Objection` (`replayed`, `early`, `expired`, `lifetime`)."""
        with self._lock:
            had = self.taken(run)
            if had is None:
                in_time(issued, order.expires, now)
                write_privately(self._path(run), msgspec.json.encode(order))
            elif had.removed:
                raise _replayed(f"run {run} was removed, and its order came again")
            elif had.order != order.order:
                raise _replayed(f"run {run} is here under another order")

    def remove(self, run: str) -> None:
        """A run was removed: its order is no good any more."""
        with self._lock:
            had = self.taken(run)
            if had is not None and not had.removed:
                write_privately(
                    self._path(run), msgspec.json.encode(msgspec.structs.replace(had, removed=True))
                )

    def _sweep(self, now: float) -> None:
        for path in self._folder.glob("*.json"):
            known = self.taken(path.stem)
            if known is None or (known.removed and known.expires < now):
                path.unlink(missing_ok=True)

    def _path(self, run: str) -> Path:
        return self._folder / f"{run}.json"  # an id has letters, digits, - and _


def in_time(issued: int, expires: int, now: float) -> None:
    """Do nothing when an order can be taken on now. Raises an `Objection` (`early`, `expired`, `lifetime`)."""
    again = "begin a new run; where clocks differ, set them (timedatectl set-ntp true)"
    if expires <= now:
        raise Objection("expired", f"the order has been over for {now - expires:,.0f} s", again)
    if issued > now + EARLY:
        raise Objection(
            "early", f"the order is from {issued - now:,.0f} s ahead of this machine's clock", again
        )
    if expires - issued > LONGEST:
        raise Objection(
            "lifetime", f"an order is good for {LONGEST // 86400} days at most", "begin a new run"
        )


def _replayed(message: str) -> Objection:
    return Objection("replayed", message, "begin a new run")
