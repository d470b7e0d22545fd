"""`atoll node join` and `atoll host join`: a machine takes an invitation up.

Doesn't know what the machine does then. Its key is made here and stays here.
"""

from __future__ import annotations

import shlex
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from msgspec.structs import replace

from atoll.identity import Link
from atoll.surfaces._credentials import (
    AUTHORITY,
    KEY,
    Credentials,
    Pin,
    credentials_in,
)
from atoll.surfaces._enrolling import Enrolment, reach, take_up
from atoll.surfaces.cli._home import home
from atoll.surfaces.cli._node import sources
from atoll.surfaces.cli._output import Output
from atoll.values import ConfigError, write_privately
from atoll.wire import Enrolled


def join(values: Namespace, out: Output) -> int:
    """Enrol this machine with a link."""
    link = Link.read(values.link)
    if link.kind == "user":
        raise ConfigError("cli.usage", "this is the link of a user, not of a machine", "atoll login LINK")
    folder = Path(values.home).expanduser().resolve() if values.home else _home(link)
    data = sources(getattr(values, "data", []))
    before = _before(folder, link)
    done = take_up(link, folder / KEY, reach(link, folder / AUTHORITY), waits=_waits(out))
    credentials = _kept(before, link, done, data)
    if done.roster:
        (folder / "rosters").mkdir(parents=True, exist_ok=True, mode=0o700)
        write_privately(folder / "rosters" / f"{link.federation}.json", done.roster)
    credentials.save(folder)
    start = _start(link.kind, folder, credentials)
    who = done.enrolled
    out.document(
        "atoll.joined/1",
        {"kind": who.kind, "name": who.name, "federation": who.federation, "id": who.id, "url": credentials.url,
         "home": str(folder), "expires": who.expires, "command": start},
    )  # fmt: skip
    out.line(f"{out.paint(who.name, 'bold')} has joined {who.federation} at {credentials.url}")
    out.line(f"  its key      {folder / KEY}; it stays on this machine")
    if not credentials.data and who.kind == "node":
        out.line(f"  start it     {start} --data train=FILE")
    else:
        out.line(f"  start it     {start}")
    return 0


def _kept(before: Credentials | None, link: Link, done: Enrolment, data: dict[str, str]) -> Credentials:
    pin = Pin(root=done.enrolled.root, name=done.enrolled.name)
    known = before or Credentials(kind=link.kind, url="", audience=link.audience)
    return replace(known, url=link.address, ca=AUTHORITY if link.ca else "", pins={**known.pins, link.federation: pin},
                   data=data or known.data)  # fmt: skip


def _before(folder: Path, link: Link) -> Credentials | None:
    """What the folder holds already: it may join more federations of one coordinator."""
    known = credentials_in(folder)
    if known is not None and (known.audience, known.kind) != (link.audience, link.kind):
        message = f"{folder} is the home of a {known.kind} of {known.url}"
        raise ConfigError("identity.other-home", message, "give this one a home of its own: --home FOLDER")
    return known


def _home(link: Link) -> Path:
    place = urlsplit(link.address).netloc.replace(":", "-").strip("[]")
    return Path(home()).resolve() / f"{link.kind}s" / f"{link.name}@{place}"


def _start(kind: str, folder: Path, credentials: Credentials) -> str:
    return f"atoll {kind} start --home {shlex.quote(str(folder))}"


def _waits(out: Output) -> Callable[[Enrolled], None]:
    def waits(enrolled: Enrolled) -> None:
        say = out.note if out.as_json else out.line
        say(f"an administrator has to look at the key of {enrolled.name} first. Tell them: {enrolled.id}")
        say(f"  they do      atoll node approve {enrolled.name} --federation {enrolled.federation}")
        say("waiting; ^C ends this, and the same command goes on with it")

    return waits
