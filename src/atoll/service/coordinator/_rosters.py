"""The rosters that a coordinator serves: who belongs to which federation, who is invited, and until when a key is good.

Doesn't know HTTP. What is on a roster was signed by others, and is kept as they signed it: the coordinator can lose of it, and
add nothing. Lives on the event loop; the truth is in memory, and what changed is durable before anybody is told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import final

from atoll.identity import (
    Approval,
    Both,
    Grant,
    IdentityError,
    Join,
    Member,
    PublicKey,
    Roster,
    Rotation,
    Signed,
    check,
    check_both,
)
from atoll.service.coordinator._clock import Clock
from atoll.service.coordinator._keyring import Keyring
from atoll.service.coordinator._objecting import SKEW, check_grant, check_name, demand_administrator
from atoll.service.coordinator._registry import Registry
from atoll.service.coordinator._rolls import Founded, Invitation, Told, written
from atoll.service.coordinator._terms import DAY, Lifetimes, Terms

MOST = 10_000  # invitations of a federation that nobody has taken up


@final
class Rosters:
    """All rosters of a coordinator. `changed` are called with the id of a key that lost something."""

    def __init__(self, registry: Registry, clock: Clock, lifetimes: Lifetimes | None = None) -> None:
        self._registry, self._clock = registry, clock
        self.terms = Terms(registry, clock, lifetimes or Lifetimes())
        self.changed: list[Callable[[str], None]] = []
        self.vouched = False  # whether an issuer vouches for users
        self._rosters: dict[str, Roster] = {}
        self._names: set[str] = set()  # of what was told
        self._told = 0  # the place of the newest
        # by federation and token, of those that were taken up
        self._grants: dict[tuple[str, str], Signed] = {}
        self._keyring = Keyring()
        self._invitations = registry.all("invitation", Invitation)
        self._read()

    # -- who is who -------------------------------------------------------------------------------------------------

    def federations(self) -> list[str]:
        """The federations that have a roster."""
        return sorted(self._rosters)

    def get(self, federation: str) -> Roster | None:
        """A federation's roster."""
        return self._rosters.get(federation)

    def key(self, id: str) -> PublicKey | None:
        """The key of that id, when anybody on any roster has it now; of those who wait for approval too."""
        return self._keyring.key(id)

    def member(self, federation: str, id: str) -> Member | None:
        """Who that is in a federation; None when it is nobody there, or waits for approval."""
        member = self._keyring.within(federation).get(id)
        return member if member is not None and member.approved else None

    def memberships(self, id: str) -> dict[str, Member]:
        """What a key is, by federation."""
        return {name: member for name, member in self._keyring.of(id).items() if member.approved}

    def all_of(self, id: str) -> dict[str, Member]:
        """As `memberships`, with those in which it waits for approval."""
        return dict(self._keyring.of(id))

    def is_root(self, id: str) -> bool:
        """Whether it is the root of any federation."""
        return any(roster.root.id == id for roster in self._rosters.values())

    def expires(self, id: str) -> float:
        """When a key's credential ends, in seconds since 1970; 0 when it never does: a root's."""
        return 0.0 if self.is_root(id) else self.terms.expires(id)

    def lifetime(self, id: str) -> float:
        """Seconds for which a key's credential is good when it was renewed."""
        kinds = {member.kind for member in self._keyring.of(id).values()}
        return self.terms.lifetimes.of("user" if kinds == {"user"} else "node")

    def stands(self, id: str) -> None:
        """Return when a known key counts just now; told only whoever proved to have it.

        Raises `IdentityError`: `identity.expired-credential`, `identity.waiting`.
        """
        found = self._keyring.of(id)
        name = next((member.name for member in found.values()), id)
        kind = next((member.kind for member in found.values()), "user")
        verb = "user" if kind == "user" else "node"
        if not self.memberships(id):
            message = f"{name} waits for an administrator, who has to look at its key: {id}"
            raise IdentityError(
                "identity.waiting", message, f"an administrator does: atoll {verb} approve {name}"
            )
        if 0 < self.expires(id) <= self._clock.time():
            message = f"the credential of {name} was not renewed in time, and is over"
            mend = f"an administrator lets it in again: atoll {verb} approve {name}"
            if self.vouched and verb == "user":
                mend = f"log in again: atoll login URL; or {mend}"
            raise IdentityError("identity.expired-credential", message, mend)

    def has(self, federation: str, what: str, of: str) -> bool:
        """Whether something that was told is kept: an `invitation` by its token, an `approval` or a `revocation` by its own
        id, a `rotation` by the old key's."""
        if what == "invitation":
            return of in self._invitations or (federation, of) in self._grants
        return f"{federation}/{what}/{of}" in self._names

    # -- what changes them ------------------------------------------------------------------------------------------

    async def found(self, federation: str, root: PublicKey) -> None:
        """A roster with this key as its root. The same again changes nothing.

        Raises `IdentityError` (`identity.other-roster`) when the federation has another root.
        """
        roster = self._rosters.get(federation)
        if roster is None:
            roster = self._rosters[federation] = Roster(root, federation)
            founded = Founded(federation=federation, root=root.text, time=self._clock.time())
            self._registry.put("roster", federation, founded)
            self._index(federation)
        elif roster.root != root:
            message = f"federation {federation} has a root already"
            raise IdentityError("identity.other-roster", message, "ask its administrator for an invitation")
        await self._registry.durable()

    async def remove(self, federation: str) -> None:
        """Forget the roster of a federation that was removed."""
        if self._rosters.pop(federation, None) is None:
            return
        for name in [name for name in self._names if name.startswith(f"{federation}/")]:
            self._names.discard(name)
            self._registry.put("told", name, None)
        for token in [t for t, i in self._invitations.items() if i.federation == federation]:
            self._drop(token)
        self._grants = {at: grant for at, grant in self._grants.items() if at[0] != federation}
        self._registry.put("roster", federation, None)
        self._index(federation)
        await self._registry.durable()

    async def invite(self, federation: str, grant: Signed) -> Member | None:
        """Keep an invitation until it is taken up, or over; one that is made out to a member gives it the roles at once.

        Returns the member, then. The same again changes nothing. Raises `IdentityError`.
        """
        roster, said = self._known(federation), check(grant, Grant)
        check_grant(roster, said, grant.signer.id, self._clock.time())
        token = PublicKey.of(said.token).id
        known, member = self._grants.get((federation, token)), None
        if (kept := self._invitations.get(token)) is not None:
            known = kept.grant
        if known is not None and known.id != grant.id:
            message = f"the token of {said.name} is that of another invitation"
            raise IdentityError("identity.token-spent", message, "make a new one")
        if said.key and not roster.taken(token) and roster.who(said.key):
            member = roster.add(grant, None, now=self._clock.time())
            self._tell(federation, "entry", token, one=grant)
            self._grants[federation, token] = grant
            self._index(federation)
        elif not roster.taken(token):
            check_name(roster, said)
            self._check_room(federation)
            kept = Invitation(federation=federation, grant=grant, expires=said.expires)
            self._invitations[token] = kept
            self._registry.put("invitation", token, kept)
        await self._registry.durable()
        return member

    def invitations(self, federation: str) -> list[Grant]:
        """Those that nobody has taken up, and that aren't over."""
        now = self._clock.time()
        here = [i for i in self._invitations.values() if i.federation == federation and i.expires > now]
        return [check(i.grant, Grant) for i in here]

    async def join(self, federation: str, joined: Both) -> tuple[Member, Signed]:
        """Let a key in that takes an invitation up: who it is now, and the invitation. The same key again: the same answer.

        Raises `IdentityError`: `identity.no-invitation`, `identity.expired`, `identity.token-spent`, and what `Roster.add` does.
        """
        said = check_both(joined, Join)
        token, roster = PublicKey.of(said.token).id, self._rosters.get(federation)
        grant = self._grants.get((federation, token))
        waiting = self._invitations.get(token)
        if grant is None and waiting is not None and waiting.federation == federation:
            grant = waiting.grant
        if roster is None or grant is None:
            message = "there is no such invitation here: it was never made, was withdrawn, or is long over"
            raise IdentityError("identity.no-invitation", message, "ask whoever invited you for a new one")
        if roster.taken(token):
            member = self._again(roster, joined, said)
        else:
            member = roster.add(grant, joined, now=self._clock.time())
            self._tell(federation, "entry", token, one=grant, both=joined)
            self._grants[federation, token] = grant
            self._drop(token)
            self._keyring.place(federation, member)
            self.terms.prolong(member.id, member.kind)
        await self._registry.durable()
        return member, grant

    async def approve(self, federation: str, told: Signed) -> Member:
        """Let somebody in who waits, or whose credential is over. Raises `IdentityError`, as `Roster.approve` does."""
        roster, said = self._known(federation), check(told, Approval)
        demand_administrator(roster, told.signer.id, "approve anybody")
        member = roster.who(said.key)
        if member is None:
            member = roster.approve(told)
            self._tell(federation, "approval", told.id, one=told)
            self._index(federation)
        elif said.federation != federation or abs(said.time - self._clock.time()) > SKEW * 10:
            message = "this approval is for another federation, or of another time"
            raise IdentityError("identity.bad-statement", message, "sign it anew")
        self.terms.prolong(member.id, member.kind)
        await self._registry.durable()
        return member

    async def revoke(self, federation: str, told: Signed) -> None:
        """Take somebody off a roster. Raises `IdentityError`, as `Roster.revoke` does."""
        roster = self._known(federation)
        roster.revoke(told)
        self._tell(federation, "revocation", told.id, one=told)
        for token in [
            t for t, i in self._invitations.items() if i.federation == federation and roster.revoked(t)
        ]:
            self._drop(token)
        self._index(federation)
        await self._registry.durable()

    async def rotate(self, told: Both) -> dict[str, Member]:
        """Put a new key in the place of an old one, wherever that is; the same again changes nothing. Raises `IdentityError`."""
        said = check_both(told, Rotation)
        new = PublicKey.of(said.new).id
        if self.is_root(said.old):
            message = "the key is a federation's root, which everybody there has pinned"
            raise IdentityError("identity.root-stays", message, "begin another federation with the new key")
        here = [name for name in self.federations() if {said.old, new} & set(self._keyring.within(name))]
        if not here:
            raise IdentityError("identity.unknown", f"nobody here has the key {said.old}", "enrol first")
        for federation in here:
            self._rosters[federation].rotate(told)
            self._tell(federation, "rotation", said.old, both=told)
            self._index(federation)
        self.terms.move(said.old, new)
        await self._registry.durable()
        return self.all_of(new)

    async def renew(self, id: str) -> float:
        """A known key is good for its time, from now; until when."""
        for member in self._keyring.of(id).values():
            self.terms.prolong(member.id, member.kind)
            break
        await self._registry.durable()
        return self.expires(id)

    # -- inside -----------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        told = sorted(self._registry.all("told", Told).items(), key=lambda pair: pair[1].n)
        self._names = {name for name, _ in told}
        self._told = told[-1][1].n if told else 0
        for federation, founded in self._registry.all("roster", Founded).items():
            own = [record for _, record in told if record.federation == federation]
            root = PublicKey.of(founded.root)
            self._rosters[federation] = Roster.read(
                written(root, federation, own), root=root.id, federation=federation
            )
            self._index(federation)
        for name, record in told:
            if record.what == "entry" and record.one is not None:
                self._grants[record.federation, name.rpartition("/")[2]] = record.one

    def _tell(
        self, federation: str, what: str, of: str, *, one: Signed | None = None, both: Both | None = None
    ) -> None:
        """Keep what was told, in its order; what is kept already stays where it is."""
        name = f"{federation}/{what}/{of}"
        if name in self._names:
            return
        self._names.add(name)
        self._told += 1
        self._registry.put(
            "told", name, Told(n=self._told, federation=federation, what=what, one=one, both=both)
        )

    def _again(self, roster: Roster, joined: Both, said: Join) -> Member:
        """Who has joined before and didn't hear it; the invitation may be over by now."""
        key = joined.second.signer.id
        if (joined.first.by, joined.second.by) != (said.token, said.key) or roster.taken(
            joined.first.signer.id
        ) != key:
            message = "another key has taken this invitation up"
            raise IdentityError("identity.token-spent", message, "ask whoever invited you for a new one")
        members = self._keyring.within(roster.federation).values()
        member = next((m for m in members if key in (m.id, m.first)), None)
        if member is None:
            message = f"{key} was revoked"
            raise IdentityError("identity.revoked", message, "make a new key and ask for an invitation")
        return member

    def _drop(self, token: str) -> None:
        if self._invitations.pop(token, None) is not None:
            self._registry.put("invitation", token, None)

    def _index(self, federation: str) -> None:
        """Look a federation's members up anew, and tell whoever lost something."""
        for id in self._keyring.replace(federation, self._rosters.get(federation)):
            for tell in self.changed:
                tell(id)

    def _known(self, federation: str) -> Roster:
        roster = self._rosters.get(federation)
        if roster is None:
            message = f"there is no federation `{federation}`"
            raise IdentityError("identity.unknown", message, "see `atoll federation ls`")
        return roster

    def _check_room(self, federation: str) -> None:
        """Whether one more invitation may wait; those that are long over are forgotten."""
        now = self._clock.time()
        for token in [t for t, i in self._invitations.items() if i.expires < now - DAY]:
            self._drop(token)
        if sum(i.federation == federation for i in self._invitations.values()) >= MOST:
            message = f"{MOST:,} invitations of {federation} wait to be taken up"
            raise IdentityError("identity.roster-full", message, "wait until some of them are over")
