"""The link to the coordinator: a session, and one poll after the other, which tells what to do and that the node lives.

Doesn't know what is done about orders.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from atoll.service.node._weather import Weather
from atoll.values import AtollError
from atoll.wire import Order, Orders, Unreachable, Welcome

if TYPE_CHECKING:
    from atoll.service.node._wire import Coordinator

SKEW = 60.0  # seconds that two clocks may differ without a word
TWICE = 60.0  # seconds within which a second fencing is another daemon's, not an old request's that came late
STRANGERS = frozenset({"wire.refused", "wire.bad-answer"})  # what a proxy says while the coordinator is away
PENDING = frozenset({"identity.waiting", "identity.expired-credential"})  # until an administrator approves it
UNTRUSTED = "wire.untrusted"  # until somebody looks at its certificate
FOR_EVER = frozenset({400, 401, 403, 404, 409, 413, 422})  # statuses of a hello that no patience mends


class Hand(Protocol):
    """What the link asks of the node."""

    def have(self) -> tuple[dict[str, str], int]: ...

    @property
    def removed(self) -> list[str]: ...

    def checkpoint(self) -> Order | None: ...

    def follow(self, orders: Orders) -> None: ...


class Link:
    """Says hello and polls until the node ends; raises what no patience mends."""

    def __init__(
        self,
        coordinator: Coordinator,
        hand: Hand,
        weather: Weather,
        *,
        resources: dict[str, float],
        data: list[str],
        welcome: Callable[[Welcome], None],
        warn: Callable[[str], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._coordinator, self._hand, self._weather = coordinator, hand, weather
        self._resources, self._data = resources, data
        self._welcome, self._warn, self._clock = welcome, warn, clock
        self._away = self._skewed = False
        self._told = ""  # why it is away
        self._fenced = float("-inf")

    def run(self) -> None:
        """Until the node ends."""
        while not self._weather.closing:
            welcome = self._hello()
            if welcome is not None:
                self._welcome(welcome)
                self._polls(welcome)

    def _hello(self) -> Welcome | None:
        for _ in self._weather.tries():
            begun = self._clock()
            try:
                welcome = self._coordinator.hello(self._resources, self._data)
            except AtollError as error:
                if _for_ever(error):
                    raise
                self._gone(error)
            else:
                self._back()
                self._weather.fair()
                self._compare(welcome.time, (begun + self._clock()) / 2)
                return welcome
        return None

    def _polls(self, welcome: Welcome) -> None:
        """As long as the session lasts."""
        while not self._weather.closing:
            for _ in self._weather.tries():
                try:
                    have, free = self._hand.have()
                    mark = self._hand.checkpoint()
                    wait = 0.0 if self._away else welcome.beat  # whether it is back is to be heard at once
                    orders = self._coordinator.poll(have, free, wait, self._hand.removed, mark)
                except AtollError as error:
                    if self._session_ended(error):
                        return
                    self._gone(error)
                else:
                    self._back()
                    self._hand.follow(orders)
                    break

    def _session_ended(self, error: AtollError) -> bool:
        """Whether a new session is needed. One fencing may be an old request's that came late; two are another daemon's."""
        if error.code == "node.fenced":
            if time.monotonic() - self._fenced < TWICE:
                raise AtollError(
                    "node.fenced",
                    f"another daemon runs as node {self._coordinator.name}, and the coordinator goes on with that one",
                    "stop the other, or give this one a name of its own (--name)",
                ) from error
            self._fenced = time.monotonic()
            return True
        return _for_ever(error)

    def _gone(self, error: AtollError) -> None:
        somebody = error.code in PENDING | {UNTRUSTED}  # has to do something about it
        if (not self._away or (somebody and error.code != self._told)) and not self._weather.closing:
            self._told = error.code
            away = "can't be reached" if isinstance(error, Unreachable) else "does not take requests"
            mend = f"; {error.mend}" if somebody else ""
            self._warn(f"the coordinator {away}; trying on: {error.message}{mend}")
        self._away = True

    def _back(self) -> None:
        if self._away:
            self._away, self._told = False, ""
            self._warn("the coordinator is back")
            self._weather.fair()

    def _compare(self, theirs: float, ours: float) -> None:
        skew = ours - theirs
        if abs(skew) > SKEW and not self._skewed:
            self._skewed = True
            which = "ahead of" if skew > 0 else "behind"
            self._warn(
                f"this machine's clock is {abs(skew):,.0f} s {which} the coordinator's: no work is lost by that, but "
                "times in logs are off; set the clocks (timedatectl set-ntp true)"
            )


def _for_ever(error: AtollError) -> bool:
    """Whether it is the coordinator that says so, and not what stands before it while it is away."""
    return getattr(error, "status", 0) in FOR_EVER and error.code not in STRANGERS | PENDING
