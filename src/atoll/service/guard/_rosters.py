"""The rosters of a machine's federations: under the roots that it pins, kept on its own disk, and only ever growing.

Doesn't know how they are fetched, or what they decide. Whoever serves one can leave out what is new; they can't add to it,
nor take away what this machine has seen.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, final

from atoll.service.guard._objections import Objection
from atoll.values import AtollError, write_privately

if TYPE_CHECKING:
    from atoll.identity import Roster

EVERY = 600.0  # seconds after which the coordinator is asked whether there is more
FETCHED = 64 << 20  # bytes of a roster that a coordinator may send
WEATHER = frozenset({408, 409, 429, 500, 502, 503, 504})  # statuses that patience mends


@final
class Rosters:
    """By federation. `pins`: the id of each one's root key; `fetch` gives the bytes that the coordinator has."""

    def __init__(
        self,
        folder: Path,
        pins: Mapping[str, str],
        fetch: Callable[[str], bytes],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder, self._pins, self._fetch, self._clock = folder, dict(pins), fetch, clock
        self._held: dict[str, Roster] = {}
        self._fetched: dict[str, float] = {}
        self._lock = threading.RLock()
        folder.mkdir(mode=0o700, exist_ok=True)

    def pinned(self, federation: str) -> None:
        """Do nothing when this machine belongs to a federation; else raises an `Objection` (`federation`)."""
        if federation not in self._pins:
            known = ", ".join(sorted(self._pins)) or "none"
            raise Objection(
                "federation",
                f"this machine has enrolled in {known}, not in {federation!r:.140}",
                "let it join there: atoll node join LINK",
            )

    def fresh(self, federation: str) -> bool:
        """Whether the coordinator was asked lately."""
        at = self._fetched.get(federation)
        return at is not None and self._clock() - at < EVERY

    def held(self, federation: str) -> Roster | None:
        """What this machine knows. Raises an `Objection` (`federation`, `roster`)."""
        self.pinned(federation)
        with self._lock:
            if federation not in self._held:
                path = self._path(federation)
                if not path.exists():
                    return None
                self._held[federation] = self._read(federation, path.read_bytes(), f"the one in {path}")
            return self._held[federation]

    def refresh(self, federation: str) -> Roster:
        """What this machine knows, with what the coordinator does. Raises an `Objection` (`federation`, `roster`), and what
        `fetch` raises when patience mends it."""
        with self._lock:
            held = self.held(federation)
            came = self._read(federation, self._asked(federation), "what the coordinator sent")
            if held is None:
                self._keep(federation, came)
            elif held.digest != came.digest:
                self._grow(federation, held, came)
            self._fetched[federation] = self._clock()
            return self._held[federation]

    # -- inside ----------------------------------------------------------------------------------------------

    def _asked(self, federation: str) -> bytes:
        try:
            return self._fetch(federation)
        except AtollError as error:
            status = getattr(error, "status", 0)
            if status == 0 or status in WEATHER:
                raise
            raise Objection(
                "roster",
                f"the coordinator doesn't give the roster of {federation}: {error.message}",
                "ask the federation's administrator whether this machine is still on it",
            ) from error

    def _read(self, federation: str, data: bytes, which: str) -> Roster:
        from atoll.identity import (
            IdentityError,
            Roster,
        )  # slow to import, and on one's own machine nobody needs it

        try:
            return Roster.read(data, root=self._pins[federation], federation=federation, most=FETCHED)
        except IdentityError as error:
            raise _untrue(federation, which, error) from error

    def _grow(self, federation: str, held: Roster, came: Roster) -> None:
        from atoll.identity import IdentityError

        try:
            held.merge(came)
        except IdentityError as error:
            raise _untrue(
                federation, "what the coordinator sent contradicts what it sent before, and", error
            ) from error
        self._keep(federation, held)

    def _keep(self, federation: str, roster: Roster) -> None:
        write_privately(self._path(federation), roster.export())
        self._held[federation] = roster

    def _path(self, federation: str) -> Path:
        return self._folder / f"{federation}.json"  # a federation's name begins with no dot, and has no slash


def _untrue(federation: str, which: str, error: AtollError) -> Objection:
    return Objection(
        "roster",
        f"the roster of {federation} doesn't hold: {which}: {error.message}",
        "tell the federation's administrator: somebody may have changed it",
    )
