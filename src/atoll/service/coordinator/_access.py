"""Access: whether whoever asks may do a thing in a federation, by the roles that the rosters give them at that moment.

Doesn't know what is asked, or whose something is: who calls tells. A coordinator of one machine has no rosters; whoever
has its token may do everything, and nobody else comes in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from atoll.identity import IdentityError, Member, Permission, PublicKey, Role, Scope, demand, may, scope_of
from atoll.service.coordinator._principals import Principal, Rosters
from atoll.service.coordinator._refusals import Refusal

WHOLE = "default"  # the federation whose roster is asked about what concerns all of a coordinator

_ALONE: dict[str, frozenset[Role]] = {
    "program": frozenset({Role.PROGRAM}),
    "host": frozenset({Role.HOST}),
}


class Access:
    """`rosters` None: of one machine, where everybody who came in is its owner."""

    def __init__(self, rosters: Rosters | None = None) -> None:
        self.rosters = rosters
        self._trusted: dict[str, tuple[Principal, PublicKey]] = {}

    @property
    def identified(self) -> bool:
        """Whether it matters who asks."""
        return self.rosters is not None

    def trust(self, key: PublicKey, name: str) -> None:
        """Have a key be that of the coordinator's own host, which runs the server apps of all federations."""
        self._trusted[key.id] = Principal(key.id, "host", name), key

    def trusted(self, id: str) -> Principal | None:
        """Who has a key, of those."""
        return self._trusted[id][0] if id in self._trusted else None

    def trusted_key(self, id: str) -> PublicKey | None:
        """The key of an id, of those."""
        return self._trusted[id][1] if id in self._trusted else None

    # -- what somebody is ----------------------------------------------------------------------------------------

    def member(self, who: Principal, federation: str) -> Member | None:
        """What somebody is in a federation; None also for a program and a trusted host, which aren't on a roster."""
        if self.rosters is None or (who.kind in _ALONE and self._alone(who, federation)):
            return None
        found = self.rosters.member(federation, who.id)
        return found if found is not None and found.kind == who.kind else None

    def roles(self, who: Principal, federation: str) -> frozenset[Role]:
        """Their roles in a federation; none, when they have nothing to do with it."""
        if alone := self._alone(who, federation):
            return alone
        member = self.member(who, federation)
        return member.roles if member is not None else frozenset()

    def belongs(self, who: Principal, federation: str) -> bool:
        """Whether they have anything to do with a federation, so that they may know that it is there."""
        return self.rosters is None or bool(self.roles(who, federation))

    def user(self, who: Principal, federation: str) -> str:
        """What a run keeps as its user: the id of the key that they joined with, which no rotation changes."""
        member = self.member(who, federation)
        return member.first if member is not None else who.id

    # -- what they may -------------------------------------------------------------------------------------------

    def may(self, who: Principal, permission: Permission, federation: str, *, own: bool = False) -> bool:
        """Whether they may do a thing in a federation, to something that is theirs or isn't."""
        return self.rosters is None or may(permission, self.roles(who, federation), own=own)

    def demand(
        self, who: Principal, permission: Permission, federation: str, *, own: bool = False, unknown: Refusal
    ) -> None:
        """Do nothing when they may. Raises `Refusal`: `unknown` where they have nothing to do with the federation, so
        that it looks like one that there isn't, else 403 (`identity.forbidden`)."""
        if self.rosters is None:
            return
        roles = self.roles(who, federation)
        if not roles:
            raise unknown
        try:
            demand(permission, roles, own=own)
        except IdentityError as error:
            raise forbidden(error.message, error.mend) from None

    def whole(self, who: Principal, permission: Permission) -> None:
        """As `demand`, for what concerns all of the coordinator."""
        refused = forbidden(f"{permission} is the coordinator's administrators'", "ask one of them")
        self.demand(who, permission, WHOLE, unknown=refused)

    def anywhere(self, who: Principal, permissions: Iterable[Permission]) -> None:
        """Refuse whoever may do none of these things in any federation, whatever it is about."""
        if self.rosters is None:
            return
        roles = {role for federation in self._federations(who) for role in self.roles(who, federation)}
        if not any(scope_of(permission, roles) for permission in permissions):
            what = " or ".join(permissions)
            raise forbidden(
                f"nowhere here you may do this: {what}", "see `atoll whoami`; ask an administrator"
            )

    def where(
        self, who: Principal, permission: Permission, federations: Iterable[str]
    ) -> Iterator[tuple[str, Scope]]:
        """Those of the federations in which they may do a thing, and to how much."""
        for federation in federations:
            scope = Scope.ALL if self.rosters is None else scope_of(permission, self.roles(who, federation))
            if scope is not None:
                yield federation, scope

    # -- machines ------------------------------------------------------------------------------------------------

    def node(self, federation: str, name: str) -> str:
        """The name under which a federation's node is a daemon here; "" when there is no such node."""
        if self.rosters is None:
            return name
        roster = self.rosters.get(federation)
        member = roster.named(name) if roster is not None else None
        known = member is not None and member.kind == "node" and member.name == name
        return (
            member.id if member is not None and known and self.rosters.member(federation, member.id) else ""
        )

    def name(self, federation: str, daemon: str) -> str:
        """What a daemon is called as a node of a federation; "" when it is none."""
        if self.rosters is None:
            return daemon
        member = self.rosters.member(federation, daemon)
        return member.name if member is not None and member.kind == "node" else ""

    def nodes(self, federation: str) -> list[Member]:
        """The nodes of a federation."""
        roster = self.rosters.get(federation) if self.rosters is not None else None
        assert self.rosters is not None
        found = roster.members() if roster is not None else ()
        return [m for m in found if m.kind == "node" and self.rosters.member(federation, m.id) is not None]

    def owns_node(self, who: Principal, federation: str, nodes: Iterable[str]) -> bool:
        """Whether one of a federation's nodes is theirs."""
        member, roster = self.member(who, federation), None
        if member is not None and self.rosters is not None:
            roster = self.rosters.get(federation)
        if member is None or roster is None:
            return False
        found = (roster.named(name) for name in nodes)
        return any(node is not None and node.kind == "node" and node.owner == member.name for node in found)

    def drives(self, host: str, federation: str) -> bool:
        """Whether a host may run the server apps of a federation."""
        if self.rosters is None or host in self._trusted:
            return True
        member = self.rosters.member(federation, host)
        return member is not None and member.kind == "host"

    # -- inside --------------------------------------------------------------------------------------------------

    def _alone(self, who: Principal, federation: str) -> frozenset[Role]:
        """The roles of what is on no roster: a run's program in the run's federation, the coordinator's own host in all."""
        if who.kind == "program":
            return _ALONE["program"] if who.federation == federation else frozenset()
        return _ALONE["host"] if self.trusted(who.id) == who else frozenset()

    def _federations(self, who: Principal) -> Iterable[str]:
        if who.kind == "program":
            return (who.federation,)
        if who.id in self._trusted:
            return (WHOLE,)
        assert self.rosters is not None
        return self.rosters.memberships(who.id)


def forbidden(message: str, mend: str) -> Refusal:
    """What a request is refused with whose maker is known, and may not."""
    return Refusal(403, "identity.forbidden", message, mend)
