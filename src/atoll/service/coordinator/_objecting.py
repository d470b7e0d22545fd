"""What may not be on a roster, whoever carries it: invitations that their signer may not make, or that are good for too long.

Doesn't know what waits. A roster itself objects to the rest.
"""

from __future__ import annotations

from atoll.identity import Grant, IdentityError, Role, Roster
from atoll.service.coordinator._terms import DAY

LONGEST = 30 * DAY  # seconds that an invitation may be good for
SKEW = 60


def demand_administrator(roster: Roster, signer: str, what: str) -> None:
    """Do nothing when a key is an administrator's. Raises `IdentityError` (`identity.not-authorised`)."""
    member = roster.who(signer)
    if member is None or Role.ADMINISTRATOR not in member.roles:
        message = f"{member.name if member else signer} may not {what} in {roster.federation}"
        raise IdentityError("identity.not-authorised", message, "ask an administrator of the federation")


def check_grant(roster: Roster, said: Grant, signer: str, now: float) -> None:
    """Whether an invitation may be made. Raises `IdentityError`: `identity.not-authorised`, `identity.bad-entry`, `identity.expired`."""
    demand_administrator(roster, signer, f"invite {said.name}")
    if said.federation != roster.federation or said.name.lower() == "root":
        message = f"{said.name} of {said.federation} can't be invited into {roster.federation}"
        raise IdentityError("identity.bad-entry", message, "name another, or another federation")
    if not (now - LONGEST < said.issued <= now + SKEW and now < said.expires <= now + LONGEST + SKEW):
        message = f"the invitation of {said.name} is over, or good for more than {LONGEST / DAY:.0f} days"
        raise IdentityError("identity.expired", message, "make it for a shorter time: --ttl 15m")


def check_name(roster: Roster, said: Grant) -> None:
    """Whether a name is free, or its bearer's. Raises `IdentityError` (`identity.name-taken`)."""
    known = roster.named(said.name)
    if known is not None and (not said.key or known.id != said.key):
        message = f"{said.name} is somebody's name in {roster.federation} already"
        raise IdentityError("identity.name-taken", message, "take another name, or revoke them first")
