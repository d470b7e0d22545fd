"""`atoll login` and `atoll whoami`: a user's own key at a coordinator.

Doesn't know how a roster is made. The key is made on this machine, lies beside the contexts, and never leaves.
"""

from __future__ import annotations

import getpass
import re
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from atoll.identity import Link
from atoll.surfaces._coordinator import half_life, talking_to
from atoll.surfaces._enrolling import Enrolment, ask_in, reach, take_up
from atoll.surfaces._places import DEFAULT, Place, Places, needed
from atoll.surfaces.cli._context import checked_url
from atoll.surfaces.cli._home import contexts_file
from atoll.surfaces.cli._output import Output
from atoll.surfaces.cli._words import until
from atoll.values import ConfigError
from atoll.wire import Address, Enrolled, Issuer, Me


def login(values: Namespace, out: Output) -> int:
    """Enrol this user with a link, at the coordinator's issuer, or with a code that an administrator approves."""
    where = values.where or needed(None).url
    if where.startswith("atoll"):
        link = Link.read(where)
        if link.kind != "user":
            mend = f"on the machine of the {link.kind}: atoll {link.kind} join LINK"
            raise ConfigError("cli.usage", f"this is the link of a {link.kind}, not of a user", mend)
        places = Places.load()
        context = _context(places, values.context, link.host, link.federation, link.audience)
        key = _key(places, context, link.audience, new=values.new_key)
        done = take_up(link, key, reach(link, _beside(context, "-ca.pem")), waits=_waits(out))
    else:
        places, url = Places.load(), checked_url(where)
        federation = values.federation or DEFAULT
        context = _context(places, values.context, urlsplit(url).hostname or "", federation, "")
        known = places.contexts.get(context)
        key = _key(places, context, known.audience if known else "", new=values.new_key)
        ca = str(Path(values.ca).expanduser().resolve()) if values.ca else known.ca if known else ""
        name = values.name or re.sub(r"[^A-Za-z0-9_.@+-]+", "-", getpass.getuser())
        pinned = known.root if known and (known.url, known.federation) == (url, federation) else ""
        vouch = None if values.code else _vouches(url, out)
        done = ask_in(
            Address(url, ca=ca), federation, name, key, tell=_tells(out), vouch=vouch, pinned=pinned
        )
    return _remember(context, done, out)


def whoami(values: Namespace, out: Output) -> int:
    """Who this user is to a coordinator."""
    place = needed(values.on)
    with talking_to(place) as client:
        me = client.call("GET", "/v1/me", None, Me)
    found = [
        {"federation": m.federation, "name": m.name, "roles": m.roles, "waiting": m.waiting}
        for m in me.memberships
    ]
    out.document(
        "atoll.whoami/1",
        {
            "id": me.id,
            "name": me.name,
            "kind": me.kind,
            "url": place.url,
            "memberships": found,
            "expires": me.expires,
        },
    )
    if me.kind == "local":
        out.line(
            f"at {place.url} you are its owner: you have the token of a coordinator that is one machine's alone"
        )
        return 0
    out.line(f"{out.paint(me.name, 'bold')}  {me.id}, at {place.url}")
    rows = [
        (m.federation, m.name, ", ".join(m.roles), "waits for approval" if m.waiting else "")
        for m in me.memberships
    ]
    out.table(("FEDERATION", "NAME", "ROLES", ""), rows)
    if me.expires:
        out.line(f"  good         {until(me.expires - me.time)}; it renews itself when it is used")
    return 0


def _remember(context: str, done: Enrolment, out: Output) -> int:
    """The context, and what to do next."""
    who, address = done.enrolled, done.address
    renew = half_life(who.expires)
    place = Place(url=address.url, ca=address.ca, federation=who.federation, key=address.key, audience=who.audience,
                  root=who.root, renew=renew)  # fmt: skip
    places = Places.load()
    places.contexts[context] = place
    places.use = context
    places.save()
    out.document(
        "atoll.login/1",
        {"context": context, "url": place.url, "id": who.id, "name": who.name, "federation": who.federation, "roles": who.roles,
         "root": who.root, "expires": who.expires},
    )  # fmt: skip
    out.line(
        f"you are {out.paint(who.name, 'bold')} in {who.federation} at {place.url}: {', '.join(who.roles)}"
    )
    out.line(f"  your key     {address.key}; it stays on this machine")
    if who.root == who.id:
        out.line(
            f"  you are the root of {who.federation}: keep a copy of that file where nobody else can read it"
        )
    out.line(f"  commands go  there from now on: context {context}")
    if "administrator" in who.roles:
        out.line(f"  a node       atoll invite node NAME --federation {who.federation}")
        out.line(f"  a user       atoll invite user NAME --federation {who.federation} --role scientist")
    else:
        out.line("  run there    atoll run")
    return 0


def _waits(out: Output) -> Callable[[Enrolled], None]:
    def waits(enrolled: Enrolled) -> None:
        say = out.note if out.as_json else out.line
        say(f"an administrator has to look at the key of {enrolled.name} first. Tell them: {enrolled.id}")
        say(f"  they do      atoll user approve {enrolled.name} --federation {enrolled.federation}")
        say("waiting; ^C ends this, and the same command goes on with it")

    return waits


def _tells(out: Output) -> Callable[[str, str], None]:
    def tells(code: str, federation: str) -> None:
        say = out.note if out.as_json else out.line
        say(f"your code is  {out.paint(code, 'bold')}")
        say("Tell it to an administrator, in person or by telephone. They do:")
        more = "" if federation == DEFAULT else f" --federation {federation}"
        say(f"    atoll user approve {code} --role scientist{more}")
        say(f"waiting, to join {federation}; ^C ends this, and the same command goes on with the same code")

    return tells


def _vouches(url: str, out: Output) -> Callable[[Issuer, str], str]:
    say = out.note if out.as_json else out.line

    def tells(address: str, code: str) -> None:
        say(f"log in at      {out.paint(address, 'bold')}")
        say(f"and type       {out.paint(code, 'bold')}")
        say("waiting for that; ^C ends this")

    def vouches(issuer: Issuer, id: str) -> str:
        from atoll.surfaces._device import check_near, log_in

        check_near(issuer, url)
        say(f"{url} knows its users by {issuer.issuer}")
        token = log_in(issuer, id, tell=tells)
        say(
            "you are logged in there. If an administrator has to let you in yet, your e-mail address will do in place of a code"
        )
        return token

    return vouches


def _context(places: Places, asked: str | None, host: str, federation: str, audience: str) -> str:
    """What to call it: what was asked for, else by the federation, else by the coordinator."""
    host = re.sub(r"[^\w.-]+", "-", host).strip("-") or "coordinator"
    if asked:
        if not re.fullmatch(r"[\w.-]+", asked) or asked in ("local", "simulation"):
            mend = "use letters, digits, `.`, `_` and `-`, and neither `local` nor `simulation`"
            raise ConfigError("context.bad-name", f"a context can't be called {asked!r:.80}", mend)
        return asked
    for name in (host if federation == DEFAULT else federation, f"{host}-{federation}"):
        known = places.contexts.get(name)
        if known is None or (
            known.key and (known.federation, audience or known.audience) == (federation, known.audience)
        ):
            return name
    raise ConfigError("context.bad-name", f"there is a context {host}-{federation} already", "--context NAME")


def _key(places: Places, context: str, audience: str, *, new: bool) -> Path:
    """One key for a coordinator, whatever federations of it this user belongs to."""
    known = next(
        (p.key for p in places.contexts.values() if p.key and audience and p.audience == audience), ""
    )
    if known and not new:
        return Path(known)
    path = _beside(context, ".pem")
    if new:
        number = 2
        while path.exists():
            path = _beside(f"{context}-{number}", ".pem")
            number += 1
    return path


def _beside(context: str, ending: str) -> Path:
    return Path(contexts_file()).parent.resolve() / "keys" / f"{context}{ending}"
