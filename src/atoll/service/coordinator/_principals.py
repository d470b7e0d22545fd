"""Who asks: a principal, as the gate admits one, and where it is looked up who belongs to which federation.

Doesn't know what may be done. What a principal may do is asked of the rosters at each request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from atoll.identity import Member, PublicKey, Roster

Kind: TypeAlias = Literal["user", "node", "host", "program", "local", "nobody"]


@dataclass(frozen=True, slots=True)
class Principal:
    """Who made a request. `id` is of the key that signed it; `name` is for people to read, and decides nothing.

    A program has the `run` that it may drive, and that run's federation.
    """

    id: str
    kind: Kind
    name: str = ""
    run: str = ""
    federation: str = ""


LOCAL = Principal("local", "local", "local")  # whoever has the token of a coordinator that only this machine reaches
NOBODY = Principal("", "nobody")  # who asks what anyone may


class Rosters(Protocol):
    """Who belongs to which federation, now. All methods are quick: each request asks them, on the event loop.

    `changed` is called with the id of each key that lost something: revoked, rotated away, roles taken.
    """

    changed: list[Callable[[str], None]]

    def federations(self) -> Sequence[str]:
        """The federations that have a roster."""
        ...

    def get(self, federation: str) -> Roster | None:
        """A federation's roster."""
        ...

    def key(self, id: str) -> PublicKey | None:
        """The key of an id that is known: a member's of any federation, also one that waits or has to renew itself."""
        ...

    def stands(self, id: str) -> None:
        """Return when a known key counts just now; told only whoever proved to have it.

        Raises `IdentityError` (`identity.expired-credential`, `identity.waiting`).
        """
        ...

    def member(self, federation: str, id: str) -> Member | None:
        """What a key is in a federation; None when it is nothing there just now."""
        ...

    def memberships(self, id: str) -> Mapping[str, Member]:
        """What a key is, by federation; where it is nothing just now, it is left out."""
        ...

    async def found(self, federation: str, root: PublicKey) -> None:
        """Begin a federation's roster, durably, under its creator's key. Raises `AtollError` when there is another."""
        ...

    async def remove(self, federation: str) -> None:
        """Forget the roster of a federation that was removed."""
        ...
