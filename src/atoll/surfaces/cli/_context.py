"""`atoll context`: remember where federations are, and choose one.

Doesn't ask them anything; a wrong URL shows when it is used.
"""

from __future__ import annotations

import os
import re
from argparse import Namespace
from pathlib import Path
from urllib.parse import urlsplit

from atoll.surfaces._places import DEFAULT, LOCAL, SIMULATION, Place, Places, of_home, on_this_machine
from atoll.surfaces._places import local_home as _local_home
from atoll.surfaces.cli._output import Output
from atoll.values import ConfigError


def add(values: Namespace, out: Output) -> int:
    """Remember a federation; an older one of that name is replaced."""
    if values.name in (LOCAL, SIMULATION) or not re.fullmatch(r"[\w.-]+", values.name):
        mend = f"use letters, digits, `.`, `_` and `-`, and neither `{LOCAL}` nor `{SIMULATION}`"
        raise ConfigError("context.bad-name", f"a context can't be called {values.name!r:.80}", mend)
    url = checked_url(values.url)
    known = on_this_machine(url)
    place = Place(
        url=url,
        token_file=_file(values.token_file) or (known.token_file if known else ""),
        ca=_file(values.ca) or (known.ca if known else ""),
        federation=values.federation or DEFAULT,
    )
    places = Places.load()
    places.contexts[values.name] = place
    places.use = values.name if values.use else places.use
    places.save()
    out.document("atoll.context/1", {"name": values.name, **_shown(place), "used": places.use == values.name})
    out.line(f"{values.name} is {url}, federation {place.federation}")
    out.line(f"  run there    atoll run --on {values.name}")
    if places.use != values.name:
        out.line(f"  always       atoll context use {values.name}")
    return 0


def use(values: Namespace, out: Output) -> int:
    """Choose where commands go."""
    places = Places.load()
    place = places.get(values.name)
    places.use = values.name
    places.save()
    out.document("atoll.context/1", {"name": values.name, **(_shown(place) if place else {}), "used": True})
    where = (
        f"to {place.url}, federation {place.federation}"
        if place
        else "nowhere: runs are simulated on this machine"
    )
    out.line(f"commands go {where}")
    if os.environ.get("ATOLL_CONTEXT"):
        out.note(f"note: in this shell ATOLL_CONTEXT overrides it: {os.environ['ATOLL_CONTEXT']}")
    return 0


def ls(values: Namespace, out: Output) -> int:
    """List the contexts; the one in use has a star."""
    places = Places.load()
    used = os.environ.get("ATOLL_CONTEXT") or places.use
    local = of_home(_local_home() / "coordinator")
    all_of_them = {**places.contexts, **({LOCAL: local} if local else {})}
    out.document(
        "atoll.contexts/1",
        {"contexts": [{"name": n, **_shown(p)} for n, p in all_of_them.items()], "used": used},
    )
    rows = [
        (_star(n, used), n, p.url, p.federation, p.token_file or ("kept" if p.token else "-"))
        for n, p in all_of_them.items()
    ]
    out.table(
        ("", "NAME", "URL", "FEDERATION", "TOKEN"),
        [(_star(SIMULATION, used), SIMULATION, "this machine", "-", "-"), *rows],
    )
    return 0


def checked_url(url: str) -> str:
    """A coordinator's URL. Raises `ConfigError`."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(
            "context.bad-url",
            f"{url!r:.200} is no URL of a coordinator",
            "https://fl.example.org, or http://127.0.0.1:8765",
        )
    return url.rstrip("/")


def _file(path: str | None) -> str:
    return str(Path(path).expanduser().resolve()) if path else ""


def _shown(place: Place) -> dict[str, str]:
    return {"url": place.url, "federation": place.federation, "token_file": place.token_file, "ca": place.ca}


def _star(name: str, used: str) -> str:
    return "*" if name == used.partition("/")[0] else " "
