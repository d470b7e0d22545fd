"""Keys of runs: for a while, a key that is on no roster drives one run. A host, or a user whose server app runs on their
own machine, makes one for each attempt and lends it the right.

Doesn't know who may lend to which run: the desk has looked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec

from atoll.identity import PublicKey
from atoll.service.coordinator._access import Access
from atoll.service.coordinator._books import Books
from atoll.service.coordinator._principals import Principal
from atoll.service.coordinator._refusals import Refusal
from atoll.service.coordinator._run import Run
from atoll.wire import RunKey

LIFE = 900.0  # seconds that a key is good for; at half of them it is lent again
ENDING = 300.0  # seconds for which the key of a run that has ended may still hear so, and fetch what came of it
MOST = 8  # keys of one run: attempts that are fenced off don't tell when they end


class RunKeyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A key that drives a run, and whose it was to lend."""

    run: str
    key: str
    by: str


@dataclass(frozen=True, slots=True)
class _Lent:
    key: PublicKey
    who: Principal
    by: str
    until: float  # by the monotonic clock


class RunKeys:
    """All that are lent, by their ids. A coordinator that was away has taken none of their time."""

    def __init__(self, books: Books, access: Access) -> None:
        self._books, self._access = books, access
        self._lent: dict[str, _Lent] = {}

    def restore(self) -> None:
        """After a start: those of runs that go on."""
        for id, record in self._books.registry.all("run-key", RunKeyRecord).items():
            run = self._books.runs.get(record.run)
            if run is not None and run.live:
                self._put(id, run, PublicKey.of(record.key), record.by)
            else:
                self._books.registry.put("run-key", id, None)

    async def lend(self, run: Run, key: str, by: Principal) -> RunKey:
        """Let a key drive a run from now on, or for longer. Raises `IdentityError` (`identity.bad-key`) and `Refusal`."""
        public = PublicKey.of(key)
        before = self._lent.get(public.id)
        taken = before is not None and (before.who.run, before.by) != (run.id, by.id)
        if taken or (self._access.rosters is not None and self._access.rosters.key(public.id) is not None):
            raise Refusal(409, "run.key-taken", f"{public.id} is somebody else's key", "make a new one")
        self._put(public.id, run, public, by.id)
        if before is None:
            record = RunKeyRecord(run=run.id, key=key, by=by.id)
            self._books.registry.put("run-key", public.id, record)
            self._forget_some(run.id)
            await self._books.registry.durable()
        return RunKey(expires=self._books.clock.time() + LIFE, seconds=LIFE)

    def key(self, id: str) -> PublicKey | None:
        """The key of an id, while it is lent."""
        lent = self._good(id)
        return lent.key if lent is not None else None

    def principal(self, id: str) -> Principal | None:
        """The program that has a key."""
        lent = self._good(id)
        return lent.who if lent is not None else None

    def lender(self, id: str) -> str:
        """Who lent it: with whom it ends. "" when nobody did."""
        lent = self._lent.get(id)
        return lent.by if lent is not None else ""

    def ended(self, run: Run) -> None:
        """A run has ended: its program hears so, and then its keys are nobody's."""
        until = self._books.clock.monotonic() + ENDING
        for id, lent in self._of(run.id):
            self._lent[id] = replace(lent, until=min(lent.until, until))
            self._books.registry.put("run-key", id, None)

    # -- inside --------------------------------------------------------------------------------------------------

    def _put(self, id: str, run: Run, key: PublicKey, by: str) -> None:
        who = Principal(id, "program", run.created.name, run=run.id, federation=run.federation)
        self._lent[id] = _Lent(key, who, by, self._books.clock.monotonic() + LIFE)

    def _good(self, id: str) -> _Lent | None:
        lent = self._lent.get(id)
        if lent is None:
            return None
        if self._books.clock.monotonic() > lent.until:
            self._forget(id)
            return None
        return lent if self._stands(lent) else None

    def _stands(self, lent: _Lent) -> bool:
        """Whether whoever lent it still has anything to do with the federation."""
        rosters = self._access.rosters
        if rosters is None or self._access.trusted(lent.by) is not None:
            return True
        return rosters.member(lent.who.federation, lent.by) is not None

    def _of(self, run: str) -> list[tuple[str, _Lent]]:
        return [(id, lent) for id, lent in self._lent.items() if lent.who.run == run]

    def _forget_some(self, run: str) -> None:
        """Those that are over, of any run; and all but the newest few of this one."""
        now = self._books.clock.monotonic()
        for id in [id for id, lent in self._lent.items() if lent.until < now]:
            self._forget(id)
        for id, _ in sorted(self._of(run), key=lambda pair: pair[1].until)[:-MOST]:
            self._forget(id)

    def _forget(self, id: str) -> None:
        del self._lent[id]
        self._books.registry.put("run-key", id, None)
