"""Who may do what: keys, signed statements, links, the roster, roles, signed requests and the audit log.

Doesn't know HTTP, a network or a database: it makes and checks what goes over them.
"""

from atoll.identity._canonical import canonical, read
from atoll.identity._errors import IdentityError
from atoll.identity._keys import Key, PublicKey, from_base64, to_base64
from atoll.identity._roles import ROLES_OF, TABLE, Permission, Role, Scope, demand, may, scope_of
from atoll.identity._statements import (
    Approval,
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
    read_signed,
    sign,
)

__all__ = [
    "ROLES_OF",
    "TABLE",
    "Approval",
    "Checkpoint",
    "Digest",
    "Grant",
    "IdentityError",
    "Join",
    "Key",
    "KeyId",
    "Kind",
    "Name",
    "Permission",
    "PublicKey",
    "Revocation",
    "Role",
    "Rotation",
    "RunId",
    "RunOrder",
    "Scope",
    "Signed",
    "Statement",
    "Time",
    "canonical",
    "check",
    "demand",
    "from_base64",
    "may",
    "read",
    "read_signed",
    "scope_of",
    "sign",
    "to_base64",
]
