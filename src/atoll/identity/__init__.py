"""Who may do what: keys, signed statements, links, the roster, roles, signed requests and the audit log.

Doesn't know HTTP, a network or a database: it makes and checks what goes over them.
"""

from atoll.identity._audit import AuditLog
from atoll.identity._canonical import canonical, read
from atoll.identity._chain import Entry, Fault, Verdict, exported, kept_checkpoints, verify_export, verify_log
from atoll.identity._enrolments import Member, join, rotate
from atoll.identity._errors import IdentityError
from atoll.identity._keys import Key, PublicKey, from_base64, to_base64
from atoll.identity._links import Link
from atoll.identity._nonces import WINDOW, Nonces
from atoll.identity._presented import Headers, Presented, read_signature
from atoll.identity._requests import Proof, Signer, Stale, Verifier
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
    "WINDOW",
    "Approval",
    "AuditLog",
    "Both",
    "Checkpoint",
    "Digest",
    "Entry",
    "Fault",
    "Grant",
    "Headers",
    "IdentityError",
    "Join",
    "Key",
    "KeyId",
    "Kind",
    "Link",
    "Member",
    "Name",
    "Nonces",
    "Permission",
    "Presented",
    "Proof",
    "PublicKey",
    "Revocation",
    "Role",
    "Roster",
    "Rotation",
    "RunId",
    "RunOrder",
    "Scope",
    "Signed",
    "Signer",
    "Stale",
    "Statement",
    "Time",
    "Verdict",
    "Verifier",
    "canonical",
    "check",
    "check_both",
    "demand",
    "exported",
    "from_base64",
    "join",
    "kept_checkpoints",
    "may",
    "read",
    "read_signature",
    "read_signed",
    "rotate",
    "scope_of",
    "sign",
    "sign_both",
    "to_base64",
    "verify_export",
    "verify_log",
]
