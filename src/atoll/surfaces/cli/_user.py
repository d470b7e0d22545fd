"""`atoll user`: who may do what in a federation.

Doesn't know how a roster is kept; an administrator's key signs each change.
"""

from __future__ import annotations

import re
import time
from argparse import Namespace
from collections.abc import Callable
from typing import TypeVar

from atoll.surfaces._administering import administering
from atoll.surfaces._places import needed
from atoll.surfaces.cli._invite import role
from atoll.surfaces.cli._machine import approved, revoked
from atoll.surfaces.cli._output import Output
from atoll.surfaces.cli._words import until
from atoll.values import ConfigError
from atoll.wire import Invited, MemberInfo, Refused, Waiting

T = TypeVar("T")

_CODE = re.compile(r"[A-Za-z2-7]{4}-[A-Za-z2-7]{4}")


def ls(values: Namespace, out: Output) -> int:
    """List who is on the roster, and who is invited."""
    with administering(needed(values.on), values.federation) as administrator:
        members = administrator.members()
        invitations, waiting = _seen(administrator.invitations), _seen(administrator.requests)
    users = [m for m in members if values.all or m.kind == "user"]
    invited = [i for i in invitations if values.all or i.kind == "user"]
    out.document(
        "atoll.users/1",
        {"federation": administrator.federation,
         "users": [{"name": m.name, "id": m.id, "kind": m.kind, "roles": m.roles, "owner": m.owner, "waiting": m.waiting,
                    "expires": m.expires} for m in users],
         "invited": [{"name": i.name, "kind": i.kind, "roles": i.roles, "expires": i.expires} for i in invited],
         "asking": [{"code": w.code, "name": w.name, "expires": w.expires, "issuer": w.issuer} for w in waiting]},
    )  # fmt: skip
    rows = [_member(m, out) for m in users] + [_invited(i) for i in invited]
    rows += [_asks(w) for w in waiting]
    out.table(("NAME", "ROLES", "STATUS", "KEY"), rows)
    return 0


def grant(values: Namespace, out: Output) -> int:
    """Give a user another role."""
    wanted = role(values.role)
    with administering(needed(values.on), values.federation) as administrator:
        member = administrator.member(values.name, "user")
        administrator.grant(member, wanted)
    roles = sorted({*member.roles, wanted})
    out.document(
        "atoll.user/1",
        {"name": member.name, "id": member.id, "federation": administrator.federation, "roles": roles},
    )
    out.line(f"{out.paint(member.name, 'bold')} is {', '.join(roles)} in {administrator.federation}")
    out.line(f"  take it back atoll user revoke {member.name}{out.on}    and invite them again")
    return 0


def approve(values: Namespace, out: Output) -> int:
    """Let somebody in who told their code, or who waits."""
    known = _CODE.fullmatch(values.name)
    if not known and not values.role:
        return approved(values, out, "user")
    if not values.role:
        raise ConfigError(
            "cli.usage",
            "whoever logs in with a code needs a role",
            f"atoll user approve {values.name} --role scientist",
        )
    wanted = role(values.role)
    with administering(needed(values.on), values.federation) as administrator:
        code = values.name
        if not known:
            found = administrator.vouched_for(values.name)
            if found is None:
                return approved(values, out, "user")
            code = found.code
            out.line(f"{found.issuer} vouches for {found.name}, who was shown the code {code}")
        made = administrator.welcome(code, wanted, values.called or "")
    out.document(
        "atoll.user/1",
        {"name": made.name, "id": "", "federation": administrator.federation, "roles": made.roles},
    )
    out.line(
        f"{out.paint(made.name, 'bold')} may join {administrator.federation} as {wanted}; their `atoll login` goes on by itself"
    )
    out.line(f"  take it back atoll user revoke {made.name}{out.on}")
    return 0


def revoke(values: Namespace, out: Output) -> int:
    """Take a user off the roster."""
    return revoked(values, out, "user")


def _seen(look: Callable[[], list[T]]) -> list[T]:
    """What only administrators see; nothing, for others."""
    try:
        return look()
    except Refused as error:
        if error.status != 403:
            raise
        return []


def _member(m: MemberInfo, out: Output) -> tuple[str, ...]:
    verb = "user" if m.kind == "user" else "node"
    left = m.expires - time.time()
    if m.waiting:
        status = out.paint(f"waits: atoll {verb} approve {m.name}", "yellow")
    elif m.expires and left <= 0:
        status = out.paint(f"away for too long: atoll {verb} approve {m.name}", "yellow")
    else:
        status = out.paint(f"good {until(left)}" if m.expires else "good", "green")
    return m.name, ", ".join(m.roles), status, m.id


def _asks(w: Waiting) -> tuple[str, ...]:
    if w.issuer:
        asks = f"asks to be let in, {w.issuer} vouches for the name: atoll user approve {w.name} --role ROLE"
    else:
        asks = f"asks to be let in: atoll user approve {w.code} --role ROLE"
    return w.name or "-", "-", asks, "-"


def _invited(i: Invited) -> tuple[str, ...]:
    return i.name, ", ".join(i.roles), f"invited, good {until(i.expires - time.time())}", "-"
