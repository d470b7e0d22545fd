"""Offers on their way to the desk: what the guard knows goes on at once, the rest waits here until it was looked at.

Doesn't know the rules. The guard may ask the coordinator for a roster; nothing else of the node waits for that.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol, final

from atoll.service.guard import Objection
from atoll.wire import Offer, Problem, RunSpec

TOLD = 200  # refusals that are told once each


class Rules(Protocol):
    """What is asked of the guard."""

    def settled(self, run: str, spec: RunSpec) -> bool: ...

    def check(self, spec: RunSpec, *, run: str = "", preflight: bool = False) -> None: ...

    def over(self, run: str) -> None: ...

    def removed(self, run: str) -> None: ...


class Place(Protocol):
    """What is asked of the rest of the node."""

    def admit(self, offers: list[Offer]) -> None: ...

    def turn_away(self, offer: Offer, message: str) -> None: ...

    def elsewhere(self, do: Callable[[], None]) -> None: ...

    def persist(
        self, do: Callable[[], None], give_up: Callable[[str], None], wanted: Callable[[], bool], offer: Offer
    ) -> None: ...

    def told(self, spec: RunSpec, objection: Objection) -> None: ...


@final
class Vetting:
    """Every offer passes through here. Without a guard, which a node that has no key needs not, all go on at once."""

    def __init__(self, place: Place, guard: Rules | None) -> None:
        self._place, self._guard = place, guard
        self._open: dict[str, Offer] = {}
        self._told: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._lock = threading.Lock()

    def have(self) -> dict[str, str]:
        """What waits here: id -> digest."""
        with self._lock:
            return {id: offer.digest for id, offer in self._open.items()}

    def take(self, offers: Iterable[Offer]) -> None:
        """Offers came."""
        guard = self._guard
        if guard is None:
            self._place.admit(list(offers))
            return
        known: list[Offer] = []
        for offer in offers:
            if offer.wants is not None and guard.settled(offer.run, offer.wants):
                known.append(offer)
            elif self._begin(offer):
                self._place.elsewhere(partial(self._look, guard, offer))
        if known:
            self._place.admit(known)

    def cancel(self, ids: Iterable[str]) -> None:
        """These are not wanted any more."""
        with self._lock:
            for id in ids:
                self._open.pop(id, None)

    def over(self, drop: Iterable[str], remove: Iterable[str]) -> None:
        """These runs are over, or removed."""
        drop, remove = list(drop), list(remove)
        with self._lock:
            for id in [id for id, o in self._open.items() if o.run in (*drop, *remove)]:
                del self._open[id]
        for run in drop:
            if self._guard is not None:
                self._guard.over(run)
        for run in remove:
            if self._guard is not None:
                self._guard.removed(run)

    def preflight(self, spec: RunSpec) -> Problem | None:
        """Why a preflight isn't made here; None: it is. Raises what the guard does when the coordinator doesn't answer."""
        if self._guard is None:
            return None
        try:
            self._guard.check(spec, preflight=True)
        except Objection as objection:
            self._tell(spec, objection)
            return Problem(code=objection.code, message=objection.message, mend=objection.mend)
        return None

    # -- inside ----------------------------------------------------------------------------------------------

    def _begin(self, offer: Offer) -> bool:
        """Have an offer wait; whether it is a new one."""
        with self._lock:
            had = self._open.get(_id(offer))
            self._open[_id(offer)] = offer if had is None or had.digest != offer.digest else had
            return self._open[_id(offer)] is offer

    def _look(self, guard: Rules, offer: Offer) -> None:
        """On another thread: ask the guard, then pass the offer on or turn it away."""
        spec = offer.wants

        def look() -> None:
            try:
                if spec is None:
                    raise Objection("order", f"the offer doesn't say what run {offer.run} is", "ask again")
                guard.check(spec, run=offer.run)
            except Objection as objection:
                message = objection.message
                self._tell(spec, objection)
                self._end(offer, lambda: self._place.turn_away(offer, message))
            else:
                self._end(offer, lambda: self._place.admit([offer]))

        def give_up(message: str) -> None:
            self._end(offer, lambda: self._place.turn_away(offer, f"the run can't be looked at: {message}"))

        self._place.persist(look, give_up, lambda: self._waits(offer), offer)

    def _waits(self, offer: Offer) -> bool:
        with self._lock:
            return self._open.get(_id(offer)) is offer

    def _end(self, offer: Offer, do: Callable[[], None]) -> None:
        """The offer is in hand elsewhere before it is not in hand here any more."""
        with self._lock:
            if self._open.get(_id(offer)) is offer:
                do()
                del self._open[_id(offer)]

    def _tell(self, spec: RunSpec | None, objection: Objection) -> None:
        what = (spec.run if spec is not None else "", objection.rule)
        with self._lock:
            if spec is None or what in self._told:
                return
            self._told[what] = None
            while len(self._told) > TOLD:
                self._told.popitem(last=False)
        self._place.told(spec, objection)


def _id(offer: Offer) -> str:
    return f"{offer.run}/{offer.key}"
