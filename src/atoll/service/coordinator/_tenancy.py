"""Tenancy: which objects a federation has to do with, so that no other learns of them.

Doesn't know who asks. An object is a federation's when one of its runs names it, or one of its members has brought all of its
bytes since the coordinator's start. Of everything else it is told that it isn't here, without a look; when it is brought, it comes
in as if it were new, and takes no more room.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping

from atoll.store import Store
from atoll.values import AtollError, NotFound

_NOBODY = ("", "")


class Tenancy:
    """The objects of each federation. `apart`: whether federations are kept from each other; on one's own machine they aren't."""

    def __init__(self, store: Store, *, apart: bool = False) -> None:
        self._store, self.apart = store, apart
        self._runs: dict[str, tuple[str, str]] = {}  # federation and user
        self._named: dict[str, Counter[str]] = {}  # by federation: how many bodies name an object
        self._brought: dict[str, dict[str, str]] = {}  # by federation: who brought it
        self._users: dict[tuple[str, str], Counter[str]] = {}  # by federation and user, as `_named`
        self._sizes: dict[str, int] = {}
        self.complete: Callable[[], Awaitable[None]] | None = None  # waits until all runs' bodies are known

    # -- what belongs to whom ----------------------------------------------------------------------------------

    def run(self, run: str, federation: str, user: str) -> None:
        """A run's objects are its federation's."""
        self._runs[run] = federation, user

    def named(self, run: str, objects: Iterable[str]) -> None:
        """A body of a run names these; with their sizes, if it knows them."""
        federation, user = self._runs.get(run, _NOBODY)
        if isinstance(objects, Mapping):
            self._sizes.update(objects)
        for counts in (
            self._named.setdefault(federation, Counter()),
            self._users.setdefault((federation, user), Counter()),
        ):
            counts.update(dict.fromkeys(objects, 1))

    def unnamed(self, run: str, objects: Iterable[str]) -> None:
        """And doesn't any more."""
        federation, user = self._runs.get(run, _NOBODY)
        for counts in (
            self._named.get(federation, Counter()),
            self._users.get((federation, user), Counter()),
        ):
            for digest in objects:
                counts[digest] -= 1
                if counts[digest] <= 0:
                    del counts[digest]

    def bring(self, federation: str, digests: Iterable[str], user: str) -> None:
        """Somebody has brought these, whole."""
        mine = self._brought.setdefault(federation, {})
        mine.update(dict.fromkeys(digests, user))

    def gone(self, digests: Iterable[str]) -> None:
        """These were removed from the store."""
        for digest in digests:
            self._sizes.pop(digest, None)
            for mine in self._brought.values():
                mine.pop(digest, None)

    # -- what may be told --------------------------------------------------------------------------------------

    def owns(self, federation: str, digest: str) -> bool:
        """Whether an object is the federation's, be it here or not."""
        return (
            not self.apart
            or digest in self._named.get(federation, ())
            or digest in self._brought.get(federation, ())
        )

    def lane(self, federation: str, digest: str) -> str:
        """By which name an object is to be received apart from others'; "" when it is the federation's already."""
        return "" if self.owns(federation, digest) else federation

    async def settled(self, federations: Iterable[str], digests: Iterable[str]) -> None:
        """After a start, wait for what runs that have ended name, when one of these may be among it."""
        if self.complete is not None and self.apart:
            federations = list(federations)
            if not all(any(self.owns(f, d) for f in federations) for d in digests):
                await self.complete()

    def has(self, federation: str, digests: Iterable[str]) -> set[str]:
        """Those that are the federation's, and here."""
        mine = [digest for digest in digests if self.owns(federation, digest)]
        return self._store.has(mine) if mine else set()

    def wrong_size(self, objects: Mapping[str, int]) -> str:
        """One that has another size than this, of objects that are here; empty when there is none."""
        for digest, size in objects.items():
            if self._size(digest) != size:
                self._sizes.pop(digest, None)  # somebody said so, and the store knows
                if self._size(digest) != size:
                    return digest
        return ""

    def held(self, federation: str, digests: Iterable[str]) -> dict[str, int]:
        """How many bytes have come of those that aren't whole."""
        digests = list(digests)
        foreign = [digest for digest in digests if not self.owns(federation, digest)]
        mine = set(digests).difference(foreign)
        held = self._store.held(mine) if mine else {}
        return held | (self._store.held(foreign, apart=federation) if foreign else {})

    def check(self, federations: Iterable[str], digests: Iterable[str]) -> None:
        """Do nothing when each is an object of one of the federations. Raises `NotFound`, as for one that isn't here."""
        if self.apart:
            federations = list(federations)
            for digest in digests:
                if not any(self.owns(f, digest) for f in federations):
                    raise NotFound("object.missing", f"there is no object {digest}", "send it again")

    # -- how much that is --------------------------------------------------------------------------------------

    def user_of(self, federation: str, digest: str) -> str:
        """The user whose run names an object of a federation, or who brought it; "" when nobody did."""
        for (of, user), counts in self._users.items():
            if of == federation and digest in counts:
                return user
        return self._brought.get(federation, {}).get(digest, "")

    def stored(self, federation: str, user: str | None = None) -> int:
        """Bytes of the federation's objects; of one user's, if named. What two share counts for both."""
        if user is None:
            mine = self._named.get(federation, Counter()).keys() | self._brought.get(federation, {}).keys()
        else:
            mine = self._users.get((federation, user), Counter()).keys() | {
                digest for digest, by in self._brought.get(federation, {}).items() if by == user
            }
        return sum(map(self._size, mine))

    def _size(self, digest: str) -> int:
        if digest not in self._sizes:
            try:
                self._sizes[digest] = self._store.size(digest)
            except AtollError:
                return 0
        return self._sizes[digest]
