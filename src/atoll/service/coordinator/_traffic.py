"""Objects that pass through the door: whose they are, who is charged for them, and what is written down of it.

Doesn't know how bytes travel, or whether whoever asks may ask at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from atoll.identity import Permission
from atoll.service.coordinator._access import Access
from atoll.service.coordinator._books import Books
from atoll.service.coordinator._federations import Federations
from atoll.service.coordinator._nodes import Nodes
from atoll.service.coordinator._principals import Principal


class Traffic:
    """What the door for bytes asks. Lives on the event loop."""

    def __init__(self, books: Books, access: Access, nodes: Nodes, federations: Federations) -> None:
        self._books, self._access, self._nodes, self._federations = books, access, nodes, federations

    # -- in ----------------------------------------------------------------------------------------------------

    def coming(self, who: Principal, federation: str, count: int) -> None:
        """Refuse so many bytes for which there is no room. Raises `Refusal` (`quota.exceeded`)."""
        self._books.quotas.check_bytes(federation, self._payer(who, federation), count)

    def lane(self, federation: str) -> Callable[[str], str]:
        """By which name each object is to be received apart from others'."""
        return lambda digest: self._books.tenancy.lane(federation, digest)

    def came(self, who: Principal, federation: str, stored: Sequence[str], count: int) -> None:
        """Bytes have come, and these objects are whole."""
        payer = self._payer(who, federation)
        self._books.tenancy.bring(federation, stored, payer)
        self._books.usage.moved(federation, payer, came=count)

    # -- out ---------------------------------------------------------------------------------------------------

    async def admit(self, who: Principal, federation: str, digests: Sequence[str]) -> str:
        """A federation to which all of these belong: the one that is named, or one in which whoever asks may get objects.

        Raises `NotFound`, as for an object that isn't here, when there is none.
        """
        federations = [federation] if federation else self._within(who)
        await self._books.tenancy.settled(federations, digests)
        for one in federations:
            if all(self._books.tenancy.owns(one, digest) for digest in digests):
                return one
        self._books.tenancy.check(federations, digests)
        return federation

    def went(self, who: Principal, federation: str, digests: Sequence[str], count: int) -> None:
        """Bytes have gone to somebody."""
        self._books.usage.moved(federation, self._payer(who, federation, digests), went=count)
        if who.kind == "user" and count:
            what = {"federation": federation, "objects": list(dict.fromkeys(digests)), "bytes": count}
            self._books.audit.add("objects-pulled", who.id, what)

    # -- inside ------------------------------------------------------------------------------------------------

    def _within(self, who: Principal) -> list[str]:
        """The federations in which somebody may get objects; the most likely one first."""
        found = [
            name for name, _ in self._access.where(who, Permission.OBJECT_GET, self._federations.names())
        ]
        return sorted(found, key=lambda name: name != who.federation)

    def _payer(self, who: Principal, federation: str, digests: Sequence[str] = ()) -> str:
        """Who is charged: a user themselves, for machines the user whose run they serve."""
        if who.kind == "program" and (run := self._books.runs.get(who.run)) is not None:
            return run.user
        if who.kind == "user":
            return self._access.user(who, federation)
        if who.kind == "node" and (node := self._nodes.by_name.get(who.id)) is not None:
            for served, _ in node.mine.values():
                if served.federation == federation:
                    return served.user
        return self._books.tenancy.user_of(federation, digests[0]) if digests else ""
