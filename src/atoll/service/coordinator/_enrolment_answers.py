"""How enrolment answers: members and invitations as they are shown, and refusals with their statuses.

Doesn't know what was asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from atoll.identity import Grant, IdentityError, Member, PublicKey, Role
from atoll.service.coordinator._principals import Principal
from atoll.service.coordinator._refusals import Refusal
from atoll.wire import Invited, Membership

_STATUSES = {
    "identity.not-authorised": 403, "identity.revoked": 403, "identity.forbidden": 403, "identity.no-invitation": 404,
    "identity.no-request": 404, "identity.unknown": 404, "identity.token-spent": 409, "identity.name-taken": 409,
    "identity.roster-full": 409, "identity.root-stays": 409, "identity.other-roster": 409, "identity.rotated": 409,
    "identity.expired": 409, "oidc.bad-token": 403, "oidc.token-spent": 403,
}  # fmt: skip


@contextmanager
def told() -> Iterator[None]:
    """What a roster objects to, as the status it has on the wire. Raises `Refusal`."""
    try:
        yield
    except IdentityError as error:
        raise Refusal(_STATUSES.get(error.code, 400), error.code, error.message, error.mend) from error


def demand_own(who: Principal, signer: PublicKey) -> None:
    """Do nothing when whoever asks has signed. Raises `IdentityError` (`identity.not-authorised`)."""
    if signer.id != who.id:
        raise IdentityError(
            "identity.not-authorised", "it was signed by somebody else's key", "sign it yourself"
        )


def sorted_roles(roles: frozenset[Role]) -> list[Role]:
    """Roles, by name."""
    return sorted(roles)


def membership(member: Member, root: str) -> Membership:
    """What a member is, for themselves."""
    return Membership(federation=member.federation, name=member.name, roles=sorted_roles(member.roles), owner=member.owner,
                      waiting=not member.approved, root=root)  # fmt: skip


def invited(said: Grant) -> Invited:
    """An invitation, without what it takes to use it."""
    return Invited(token=PublicKey.of(said.token).id, name=said.name, kind=said.kind, roles=list(said.roles),
                   expires=float(said.expires))  # fmt: skip


def unknown_federation(federation: str) -> Refusal:
    """The same for those that aren't there and those that one doesn't belong to."""
    return Refusal(
        404, "federation.unknown", f"there is no federation `{federation}`", "see `atoll federation ls`"
    )


def not_here() -> Refusal:
    """What a coordinator of one machine says."""
    message = "this coordinator is its machine's alone: whoever has its token may do everything, and nobody is enrolled"
    return Refusal(
        404, "identity.not-here", message, "atoll coordinator start --public-url https://fl.example.org"
    )
