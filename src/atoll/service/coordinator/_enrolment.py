"""Enrolment: how keys come onto rosters and go from them; what anybody may know of it, and of themselves.

Doesn't know HTTP. Whoever enrols proves by signatures what they may; an answer that was lost is given again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from atoll.identity import (
    Approval,
    Grant,
    IdentityError,
    Join,
    Member,
    Permission,
    PublicKey,
    Revocation,
    Roster,
    Rotation,
    check,
    check_both,
    from_base64,
)
from atoll.service.coordinator._access import Access
from atoll.service.coordinator._asking import Asking, Patience
from atoll.service.coordinator._clock import Clock
from atoll.service.coordinator._enrolment_answers import (
    demand_own,
    invited,
    membership,
    not_here,
    sorted_roles,
    told,
    unknown_federation,
)
from atoll.service.coordinator._first import FEDERATION, First
from atoll.service.coordinator._issuer import Vouching, proof_of
from atoll.service.coordinator._principals import Principal
from atoll.service.coordinator._rosters import Rosters
from atoll.wire import (
    Ask,
    Asked,
    Authority,
    Claim,
    Enrol,
    Enrolled,
    Invite,
    Invited,
    InvitedList,
    Issuer,
    Me,
    MemberInfo,
    MemberList,
    Ok,
    Rotated,
    Said,
    WaitingList,
)

_INVITES = {"node": Permission.NODE_INVITE, "user": Permission.USER_INVITE, "host": Permission.HOST_INVITE}
_APPROVES = {
    "node": Permission.NODE_APPROVE,
    "user": Permission.USER_APPROVE,
    "host": Permission.HOST_APPROVE,
}


SAID = 1000  # statements that are remembered


@dataclass(frozen=True, slots=True)
class Town:
    """What an identified coordinator is to others: the id of its key, and the authority of its TLS, as PEM."""

    audience: str
    authority: str
    first: First
    vouched: Authority | None = None  # by its key
    issuer: Vouching | None = None  # of its users' names


class Enrolment:
    """`rosters` and `town` None: a coordinator of one machine, which has nobody to enrol."""

    def __init__(
        self, access: Access, clock: Clock, rosters: Rosters | None = None, town: Town | None = None,
        *, note: Callable[[str, str, Mapping[str, Any]], None] = lambda kind, who, what: None,
    ) -> None:  # fmt: skip
        self._access, self._clock, self._known, self._town, self._note = access, clock, rosters, town, note
        self._asking = Asking(clock, town.audience if town else "")
        self._patience = Patience(clock)
        self._said: dict[str, None] = {}  # the newest statements that were written down
        if rosters is not None:
            rosters.changed.append(self._patience.wake)

    def end(self) -> None:
        """Nobody waits any more."""
        self._asking.end()
        self._patience.end()

    # -- whoever comes ----------------------------------------------------------------------------------------------

    async def authority(self) -> Authority:
        """The authority that vouches for this coordinator's TLS."""
        town = self._here()
        return town.vouched or Authority(pem=town.authority)

    async def claim(self, claim: Claim) -> Enrolled:
        """The first administrator's link is taken up: their key is the root of `default`. The same key again: the same answer."""
        town, rosters = self._here(), self._rosters
        with told():
            key = claim.join.second.signer
            roster, fits = rosters.get(FEDERATION), town.first.claimed(claim.join) is not None
            if (roster is None and not fits) or (roster is not None and roster.root != key):
                message = "this is not the first administrator's link of this coordinator, or somebody has taken it up"
                raise IdentityError(
                    "identity.no-invitation", message, "ask its administrator for an invitation"
                )
            if roster is None:
                await rosters.found(FEDERATION, key)
                self._note("root-claimed", key.id, {"federation": FEDERATION})
            else:
                check_both(claim.join, Join)
            town.first.done()
            return self._enrolled(self._member(FEDERATION, key.id))

    async def enrol(self, enrol: Enrol) -> Enrolled:
        """An invitation is taken up; where an administrator has to look at the key, the answer waits for them."""
        with told():
            before = self._rosters.key(enrol.join.second.signer.id)
            member, grant = await self._rosters.join(enrol.federation, enrol.join)
            if before is None:
                what = {
                    "federation": enrol.federation,
                    "kind": member.kind,
                    "by": grant.signer.id,
                    "waiting": not member.approved,
                }
                self._note("enrolled", member.id, what)
            if not member.approved:
                await self._patience.wait(member.id, enrol.wait)
                member, _ = await self._rosters.join(enrol.federation, enrol.join)
            return self._enrolled(member)

    async def issuer(self) -> Issuer:
        """Who vouches for names here."""
        town = self._here()
        return town.issuer.told if town.issuer is not None else Issuer()

    async def ask(self, ask: Ask) -> Asked:
        """Somebody without an invitation asks to be let in, and waits for an administrator who knows their code."""
        with told():
            roster = self._rosters.get(ask.federation)
            root = roster.root.id if roster is not None else self._asking.nobody(ask.federation)
            key = PublicKey.of(ask.key)
            name, issuer = await self._named(ask, key)
            if issuer and (until := await self._renewed(ask.federation, key, name)):
                return Asked(
                    federation=ask.federation,
                    audience=self._here().audience,
                    root=root,
                    expires=until,
                    renewed=until,
                )
            request = self._asking.ask(ask.federation, root, key, name)
            if issuer:
                request.vouched(name, issuer, proof_of(ask.token))
            await self._asking.answered(request, ask.wait)
            return Asked(federation=ask.federation, audience=self._here().audience, root=root, expires=request.expires,
                         grant=request.grant, seed=request.seed)  # fmt: skip

    # -- oneself ----------------------------------------------------------------------------------------------------

    async def me(self, who: Principal) -> Me:
        """Who asks, and what they are in which federation."""
        now = self._clock.time()
        if self._known is None or self._town is None:
            return Me(id=who.id, name=who.name, kind=who.kind, time=now)
        found = [membership(m, self._root(m.federation)) for m in self._known.all_of(who.id).values()]
        lifetime = self._known.lifetime(who.id) if found else 0.0
        return Me(id=who.id, name=who.name, kind=who.kind, memberships=found, time=now, lifetime=lifetime,
                  expires=self._known.expires(who.id), audience=self._town.audience)  # fmt: skip

    async def renew(self, who: Principal) -> Me:
        """Their credential is good for its whole time, from now."""
        await self._rosters.renew(who.id)
        return await self.me(who)

    async def rotate(self, who: Principal, rotated: Rotated) -> Me:
        """Their new key takes the place of the old one, in all federations."""
        with told():
            said = check_both(rotated.said, Rotation)
            new = PublicKey.of(said.new).id
            if who.id not in (said.old, new):  # the new one asks when the answer to the old one was lost
                raise IdentityError(
                    "identity.not-authorised", "that is somebody else's key", "rotate your own"
                )
            here = self._rosters.all_of(who.id)

            def kept() -> bool:
                return any(self._rosters.has(name, "rotation", said.old) for name in here)

            with self._noting(kept, "key-rotated", new, {"old": said.old}):
                await self._rosters.rotate(rotated.said)
        return await self.me(Principal(new, who.kind, who.name))

    # -- federations ------------------------------------------------------------------------------------------------

    async def roster(self, who: Principal, federation: str) -> Any:
        """A federation's roster, as it was signed: JSON, which is passed on as it is."""
        return msgspec.Raw(self._permitted(who, Permission.ROSTER_SEE, federation).export())

    async def members(self, who: Principal, federation: str) -> MemberList:
        """Who is on a federation's roster."""
        roster = self._permitted(who, Permission.USER_SEE, federation)
        root = self._member(federation, roster.root.id)
        return MemberList(federation=federation, members=[self._shown(m) for m in (root, *roster.members())])

    async def invite(self, who: Principal, federation: str, invite: Invite) -> Invited:
        """Keep an invitation; with a code, pass it on to whoever asked."""
        with told():
            said = check(invite.grant, Grant)
            self._permitted(who, _INVITES[said.kind], federation)
            demand_own(who, invite.grant.signer)
            request = None
            if invite.code:
                request = self._asking.find(federation, invite.code)
                from_base64(invite.seed, 32)
                if said.key != request.key.id:
                    message = f"the key of {invite.code} is {request.key.id}, and the invitation is for {said.key or 'any'}"
                    raise IdentityError("identity.bad-entry", message, "sign one for that key")
            token = PublicKey.of(said.token).id
            what = {
                "federation": federation,
                "kind": said.kind,
                "invitation": token,
                "roles": list(said.roles),
            }
            kept = partial(self._rosters.has, federation, "invitation", token)
            with self._noting(kept, "invited", who.id, what):
                await self._rosters.invite(federation, invite.grant)
            if request is not None:
                self._asking.answer(request, invite.grant, invite.seed)
            return invited(said)

    async def invitations(self, who: Principal, federation: str) -> InvitedList:
        """The invitations that nobody has taken up."""
        self._permitted(who, Permission.USER_INVITE, federation)
        return InvitedList(invitations=[invited(g) for g in self._rosters.invitations(federation)])

    async def waiting(self, who: Principal, federation: str) -> WaitingList:
        """Who asks to be let in."""
        self._permitted(who, Permission.USER_APPROVE, federation)
        return WaitingList(waiting=self._asking.of(federation))

    async def approve(self, who: Principal, federation: str, said: Said) -> MemberInfo:
        """Let somebody in who waits, or whose credential is over."""
        with told():
            statement = check(said.said, Approval)
            found = self._rosters.all_of(statement.key).get(federation)
            self._permitted(who, _APPROVES[found.kind if found else "user"], federation)
            demand_own(who, said.said.signer)
            known = self._rosters.has(federation, "approval", said.said.id)
            member = await self._rosters.approve(federation, said.said)
            self._patience.wake(member.id)
            if not known:
                self._once(said.said.id, "approved", who.id, {"federation": federation, "key": member.id})
            return self._shown(member)

    async def revoke(self, who: Principal, federation: str, said: Said) -> Ok:
        """Take somebody, or an invitation, off a roster. Who may is decided by whose key signed it."""
        with told():
            statement = check(said.said, Revocation)
            self._permitted(who, Permission.ROSTER_SEE, federation)
            demand_own(who, said.said.signer)
            kept = partial(self._rosters.has, federation, "revocation", said.said.id)
            what = {"federation": federation, "key": statement.key}
            with self._noting(kept, "revoked", who.id, what):
                await self._rosters.revoke(federation, said.said)
        return Ok()

    # -- inside -----------------------------------------------------------------------------------------------------

    @contextmanager
    def _noting(
        self, kept: Callable[[], bool], kind: str, who: str, what: Mapping[str, Any]
    ) -> Iterator[None]:
        """Write down what is done here, if it is: what is kept already was said again because its answer was lost."""
        before = kept()
        try:
            yield
        finally:
            if not before and kept():
                self._note(kind, who, what)

    def _once(self, statement: str, kind: str, who: str, what: Mapping[str, Any]) -> None:
        """Write down what was said, but not that it was said again because the answer was lost."""
        if statement not in self._said:
            self._said[statement] = None
            self._note(kind, who, what)
        if len(self._said) > SAID:
            del self._said[next(iter(self._said))]

    @property
    def _rosters(self) -> Rosters:
        if self._known is None:
            raise not_here()
        return self._known

    def _here(self) -> Town:
        if self._town is None:
            raise not_here()
        return self._town

    def _permitted(self, who: Principal, permission: Permission, federation: str) -> Roster:
        rosters = self._rosters
        self._access.demand(who, permission, federation, unknown=unknown_federation(federation))
        roster = rosters.get(federation)
        if roster is None:
            raise unknown_federation(federation)
        return roster

    async def _named(self, ask: Ask, key: PublicKey) -> tuple[str, str]:
        """What to call whoever asks, and the issuer that says so; "" for their own word."""
        if not ask.token:
            return ask.name, ""
        issuer, told = self._here().issuer, self._asking.told(ask.federation, key, proof_of(ask.token))
        if told is not None:
            return told.name, told.issuer
        if issuer is None:
            mend = "log in with a code: atoll login URL --code"
            raise IdentityError("oidc.no-issuer", "this coordinator has no issuer", mend)
        return await issuer.name(ask.token, key), issuer.told.issuer

    async def _renewed(self, federation: str, key: PublicKey, name: str) -> float:
        """Until when a member is good for whom the issuer vouches; 0 for whoever is none of that name."""
        member = self._rosters.member(federation, key.id)
        if member is None or member.kind != "user" or member.name.lower() != name.lower():
            return 0.0
        until = await self._rosters.renew(key.id)
        self._note("renewed", key.id, {"federation": federation})
        return until or self._clock.time() + self._rosters.lifetime(key.id)

    def _member(self, federation: str, id: str) -> Member:
        member = self._rosters.member(federation, id)
        assert member is not None
        return member

    def _root(self, federation: str) -> str:
        roster = self._rosters.get(federation)
        return roster.root.id if roster is not None else ""

    def _enrolled(self, member: Member) -> Enrolled:
        return Enrolled(
            id=member.id, name=member.name, kind=member.kind, federation=member.federation, roles=sorted_roles(member.roles),
            root=self._root(member.federation), audience=self._here().audience, expires=self._rosters.expires(member.id),
            waiting=not member.approved,
        )  # fmt: skip

    def _shown(self, member: Member) -> MemberInfo:
        return MemberInfo(
            id=member.id, name=member.name, kind=member.kind, roles=sorted_roles(member.roles), owner=member.owner,
            waiting=not member.approved, expires=self._rosters.expires(member.id),
        )  # fmt: skip
