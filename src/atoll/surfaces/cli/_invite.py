"""`atoll invite`: a link for a node, a user or a host, and the one command that takes it up.

Doesn't know the key of whoever is invited: it is made on their machine.
"""

from __future__ import annotations

from argparse import Namespace

from atoll.identity import ROLES_OF, Role
from atoll.surfaces._administering import Wish, administering
from atoll.surfaces._places import needed
from atoll.surfaces.cli._output import Output
from atoll.surfaces.cli._words import until
from atoll.values import ConfigError

TTL = 900.0  # seconds
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def invite(values: Namespace, out: Output) -> int:
    """Make an invitation."""
    kind = values.kind
    wish = Wish(
        kind, values.name, _roles(kind, values.role), ttl(values.ttl), values.approve, values.owner or ""
    )
    with administering(needed(values.on), values.federation) as administrator:
        link, made = administrator.invite(wish)
    command = taking(kind, link.text)
    out.document(
        "atoll.invitation/1",
        {"kind": kind, "name": made.name, "federation": link.federation, "roles": made.roles, "expires": made.expires,
         "approve": wish.approve, "link": link.text, "command": command},
    )  # fmt: skip
    what = {"user": f"as {', '.join(made.roles)}", "node": "with its node", "host": "with its host"}[kind]
    out.line(
        f"{made.name} may join {link.federation} {what}, once, and the invitation is good {until(wish.ttl)}. They paste this:"
    )
    out.line()
    out.line(f"    {command}")
    out.line()
    out.line("Whoever has this line can join in their place: send it over a channel that you trust.")
    if wish.approve:
        verb = "user" if kind == "user" else "node"
        out.line(
            f"  then         atoll {verb} approve {made.name}{out.on}    when you have compared their key"
        )
    out.line(f"  take it back atoll {'user' if kind == 'user' else 'node'} revoke {made.name}{out.on}")
    return 0


def taking(kind: str, link: str) -> str:
    """The command that takes a link up."""
    return f"atoll login '{link}'" if kind == "user" else f"atoll {kind} join '{link}'"


def ttl(text: str | None) -> float:
    """Seconds: "15m", "90s", "2h", "7d". Raises `ConfigError`."""
    if text is None:
        return TTL
    number, unit = text[:-1], text[-1:]
    if not number.isdecimal() or unit not in _UNITS or not int(number):
        raise ConfigError("cli.usage", f"--ttl {text}: that is no time", "--ttl 15m, or 90s, 2h, 7d")
    return float(int(number) * _UNITS[unit])


def role(text: str) -> Role:
    """A user's role. Raises `ConfigError`."""
    known = sorted(ROLES_OF["user"])
    if text not in known:
        raise ConfigError(
            "cli.usage", f"there is no role {text!r:.80} for users", f"choose one of {', '.join(known)}"
        )
    return Role(text)


def _roles(kind: str, given: str | None) -> tuple[Role, ...]:
    if kind == "user":
        if not given:
            known = ", ".join(sorted(ROLES_OF["user"]))
            raise ConfigError("cli.usage", "a user is invited with a role", f"--role ROLE: one of {known}")
        return (role(given),)
    if given:
        raise ConfigError("cli.usage", f"a {kind} has no role to choose", "leave --role out")
    return (Role(kind),)
