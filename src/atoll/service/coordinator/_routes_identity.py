"""The part of the API that is about who is who: enrolment, oneself, and rosters.

Doesn't know how requests come.
"""

from __future__ import annotations

from atoll.identity import Permission as P
from atoll.service.coordinator._route import ANYONE, MIB, Route
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
    Rolls,
    Rotated,
    Said,
    WaitingList,
)

_IN = "/v1/federations/{name}"
_SMALL = MIB // 2  # bytes of two statements, and more

IDENTITY_ROUTES = (
    Route("GET", "/v1/ca", ANYONE, Authority, lambda d, a: d.enrolment.authority()),
    Route("POST", "/v1/roots", ANYONE, Enrolled, lambda d, a: d.enrolment.claim(a.body), Claim, limit=_SMALL),
    Route("POST", "/v1/enrol", ANYONE, Enrolled, lambda d, a: d.enrolment.enrol(a.body), Enrol, limit=_SMALL, waits=True),
    Route("POST", "/v1/enrol/ask", ANYONE, Asked, lambda d, a: d.enrolment.ask(a.body), Ask, limit=_SMALL, waits=True),
    Route("GET", "/v1/enrol/issuer", ANYONE, Issuer, lambda d, a: d.enrolment.issuer()),
    Route("GET", "/v1/me", P.SELF_SEE, Me, lambda d, a: d.enrolment.me(a.who)),
    Route("POST", "/v1/me/renew", P.SELF_SEE, Me, lambda d, a: d.enrolment.renew(a.who)),
    Route("POST", "/v1/me/rotation", P.SELF_ROTATE, Me, lambda d, a: d.enrolment.rotate(a.who, a.body), Rotated, limit=_SMALL),
    Route("GET", f"{_IN}/roster", P.ROSTER_SEE, Rolls, lambda d, a: d.enrolment.roster(a.who, a.path["name"])),
    Route("GET", f"{_IN}/members", P.USER_SEE, MemberList, lambda d, a: d.enrolment.members(a.who, a.path["name"])),
    Route("GET", f"{_IN}/invitations", P.USER_INVITE, InvitedList, lambda d, a: d.enrolment.invitations(a.who, a.path["name"])),
    Route("POST", f"{_IN}/invitations", P.USER_INVITE, Invited, lambda d, a: d.enrolment.invite(a.who, a.path["name"], a.body), Invite,
          also=(P.NODE_INVITE, P.HOST_INVITE), limit=_SMALL),
    Route("GET", f"{_IN}/requests", P.USER_APPROVE, WaitingList, lambda d, a: d.enrolment.waiting(a.who, a.path["name"])),
    Route("POST", f"{_IN}/approvals", P.USER_APPROVE, MemberInfo, lambda d, a: d.enrolment.approve(a.who, a.path["name"], a.body), Said,
          also=(P.NODE_APPROVE, P.HOST_APPROVE), limit=_SMALL),
    Route("POST", f"{_IN}/revocations", P.ROSTER_SEE, Ok, lambda d, a: d.enrolment.revoke(a.who, a.path["name"], a.body), Said, limit=_SMALL),
)  # fmt: skip
