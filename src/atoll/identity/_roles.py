"""Roles: who may do what, in one table.

Doesn't know who has which role, or what belongs to whom: it says whether a role may do a thing to all of a federation, to
what is its own, or not at all. What isn't in the table may not be done.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType

from atoll.identity._errors import IdentityError


class Role(StrEnum):
    """What somebody is in a federation. The last three are machines'."""

    ADMINISTRATOR = "administrator"
    SCIENTIST = "scientist"
    SITE_OWNER = "site-owner"
    AUDITOR = "auditor"
    NODE = "node"
    HOST = "host"
    PROGRAM = "program"  # a server app's process, for its run alone: nobody is enrolled as one


class Permission(StrEnum):
    """What can be done. Every operation of the coordinator needs one of these."""

    SELF_SEE = "self.see"  # who am I?
    SELF_ROTATE = "self.rotate"
    NODE_CALL = "node.call"  # what a node says and is told: hello, poll, reply, lines, probed
    HOST_CALL = "host.call"
    RUN_DRIVE = "run.drive"  # what a server app says and is told: attend, say
    RUN_SUBMIT = "run.submit"
    RUN_CHECK = "run.check"  # would it run?
    RUN_SEE = "run.see"  # its summary and its events: names, numbers, times; no model
    RUN_STOP = "run.stop"  # and resume
    RUN_REMOVE = "run.remove"
    RUN_PULL = "run.pull"  # its models, and what names them
    OBJECT_PUT = "object.put"  # and ask what is lacking
    OBJECT_GET = "object.get"
    NODE_SEE = "node.see"
    NODE_INVITE = "node.invite"
    NODE_APPROVE = "node.approve"
    NODE_REVOKE = "node.revoke"
    USER_SEE = "user.see"
    USER_INVITE = "user.invite"  # and give roles
    USER_APPROVE = "user.approve"
    USER_REVOKE = "user.revoke"
    HOST_INVITE = "host.invite"
    HOST_APPROVE = "host.approve"
    HOST_REVOKE = "host.revoke"
    ROSTER_SEE = "roster.see"
    FEDERATION_SEE = "federation.see"
    FEDERATION_CREATE = "federation.create"
    FEDERATION_CHANGE = "federation.change"  # its nodes
    FEDERATION_REMOVE = "federation.remove"
    USAGE_SEE = "usage.see"
    AUDIT_SEE = "audit.see"
    AUDIT_VERIFY = "audit.verify"
    AUDIT_EXPORT = "audit.export"
    METRICS_SEE = "metrics.see"  # of the whole coordinator


class Scope(StrEnum):
    """How far a permission goes."""

    OWN = "own"  # what one has made, or is responsible for
    ALL = "all"  # everything in the federation


_P, _OWN, _ALL = Permission, Scope.OWN, Scope.ALL
_EVERYBODY = {_P.SELF_SEE: _OWN, _P.SELF_ROTATE: _OWN, _P.ROSTER_SEE: _ALL}
_MACHINES = {_P.NODE_CALL, _P.HOST_CALL, _P.RUN_DRIVE}

_TABLE: dict[Role, dict[Permission, Scope]] = {
    Role.ADMINISTRATOR: {p: _ALL for p in _P if p not in _MACHINES}
    | {_P.SELF_SEE: _OWN, _P.SELF_ROTATE: _OWN},
    Role.SCIENTIST: _EVERYBODY
    | {
        _P.RUN_SUBMIT: _OWN,
        _P.RUN_CHECK: _ALL,
        _P.RUN_SEE: _ALL,
        _P.RUN_STOP: _OWN,
        _P.RUN_REMOVE: _OWN,
        _P.RUN_PULL: _OWN,
        _P.OBJECT_PUT: _OWN,
        _P.OBJECT_GET: _OWN,
        _P.NODE_SEE: _ALL,
        _P.FEDERATION_SEE: _ALL,
        _P.USAGE_SEE: _OWN,
    },
    Role.SITE_OWNER: _EVERYBODY
    | {
        _P.RUN_SEE: _OWN,  # those that its nodes take part in
        _P.NODE_SEE: _OWN,
        _P.NODE_REVOKE: _OWN,
        _P.FEDERATION_SEE: _OWN,  # its name, and which of its own nodes it has
        _P.USAGE_SEE: _OWN,
        _P.AUDIT_SEE: _OWN,
    },
    Role.AUDITOR: _EVERYBODY
    | {
        _P.RUN_SEE: _ALL,
        _P.NODE_SEE: _ALL,
        _P.USER_SEE: _ALL,
        _P.FEDERATION_SEE: _ALL,
        _P.USAGE_SEE: _ALL,
        _P.AUDIT_SEE: _ALL,
        _P.AUDIT_VERIFY: _ALL,
        _P.AUDIT_EXPORT: _ALL,
    },
    Role.NODE: _EVERYBODY | {_P.NODE_CALL: _OWN, _P.OBJECT_PUT: _OWN, _P.OBJECT_GET: _OWN},
    Role.HOST: _EVERYBODY | {_P.HOST_CALL: _OWN, _P.OBJECT_GET: _OWN},
    Role.PROGRAM: {
        _P.SELF_SEE: _OWN,
        _P.RUN_DRIVE: _OWN,
        _P.RUN_SEE: _OWN,
        _P.RUN_PULL: _OWN,
        _P.OBJECT_PUT: _OWN,
        _P.OBJECT_GET: _OWN,
    },
}
TABLE: Mapping[Role, Mapping[Permission, Scope]] = MappingProxyType(
    {role: MappingProxyType(does) for role, does in _TABLE.items()}
)

ROLES_OF: Mapping[str, frozenset[Role]] = MappingProxyType(
    {
        "user": frozenset({Role.ADMINISTRATOR, Role.SCIENTIST, Role.SITE_OWNER, Role.AUDITOR}),
        "node": frozenset({Role.NODE}),
        "host": frozenset({Role.HOST}),
    }
)


def scope_of(permission: Permission, roles: Iterable[Role]) -> Scope | None:
    """How far these roles, together, may do a thing; None: not at all."""
    found = {TABLE[role].get(permission) for role in roles}
    return Scope.ALL if Scope.ALL in found else Scope.OWN if Scope.OWN in found else None


def may(permission: Permission, roles: Iterable[Role], *, own: bool) -> bool:
    """Whether these roles may do a thing to something; `own`: it is theirs."""
    scope = scope_of(permission, roles)
    return scope is Scope.ALL or (scope is Scope.OWN and own)


def demand(permission: Permission, roles: Iterable[Role], *, own: bool) -> None:
    """Do nothing when they may; raises `IdentityError` (`identity.forbidden`) when they may not."""
    roles = list(roles)
    if may(permission, roles, own=own):
        return
    what = ", ".join(sorted(roles)) or "nobody"
    of = " to what is another's" if scope_of(permission, roles) else ""
    raise IdentityError(
        "identity.forbidden", f"the role of {what} may not do this{of}: {permission}", "ask an administrator"
    )
