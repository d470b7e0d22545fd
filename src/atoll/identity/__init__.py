"""Who may do what: keys, signed statements, links, the roster, roles, signed requests and the audit log.

Doesn't know HTTP, a network or a database: it makes and checks what goes over them.
"""

from atoll.identity._canonical import canonical, read
from atoll.identity._entries import Member, join, rotate
from atoll.identity._errors import IdentityError
from atoll.identity._keys import Key, PublicKey, from_base64, to_base64
from atoll.identity._links import Link
from atoll.identity._roles import ROLES_OF, TABLE, Permission, Role, Scope, demand, may, scope_of
from atoll.identity._roster import Roster
from atoll.identity._statements import (
    Approval,
    Both,
    Checkpoint,
    Digest,
    Grant,
    Join,
    KeyId,
    Kind,
    Name,
    Revocation,
    Rotation,
    RunId,
    RunOrder,
    Signed,
    Statement,
    Time,
    check,
    check_both,
    read_signed,
    sign,
    sign_both,
)

__all__ = [
    "ROLES_OF",
    "TABLE",
    "Approval",
    "Both",
    "Checkpoint",
    "Digest",
    "Grant",
    "IdentityError",
    "Join",
    "Key",
    "KeyId",
    "Kind",
    "Link",
    "Member",
    "Name",
    "Permission",
    "PublicKey",
    "Revocation",
    "Role",
    "Roster",
    "Rotation",
    "RunId",
    "RunOrder",
    "Scope",
    "Signed",
    "Statement",
    "Time",
    "canonical",
    "check",
    "check_both",
    "demand",
    "from_base64",
    "join",
    "may",
    "read",
    "read_signed",
    "rotate",
    "scope_of",
    "sign",
    "sign_both",
    "to_base64",
]
