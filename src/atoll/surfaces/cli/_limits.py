"""`atoll federation limit`: what a federation, or users in it, may have at most.

Doesn't know how it is held to.
"""

from __future__ import annotations

import re
from argparse import Namespace
from typing import Any
from urllib.parse import quote

from atoll.surfaces._coordinator import talking_to
from atoll.surfaces._places import needed
from atoll.surfaces.cli._output import Output
from atoll.surfaces.cli._words import size
from atoll.values import ConfigError
from atoll.wire import Limitation, Limited, Limits

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kMGT]?)B?", re.IGNORECASE)
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_NONE = "none"


def limit(values: Namespace, out: Output) -> int:
    """Set, lift or show limits."""
    asked = {"runs": values.runs, "bytes": values.bytes, "hours": values.hours}
    lift = [name for name, text in asked.items() if text == _NONE]
    limits = Limits(**{n: _number(n, text) for n, text in asked.items() if text not in (None, _NONE)})
    path = f"/v1/federations/{quote(values.federation, safe='')}/limits"
    with talking_to(needed(values.on)) as client:
        if lift or limits != Limits():
            body = Limitation(user="*" if values.each_user else values.user or "", limits=limits, lift=lift)
            found = client.call("POST", path, body, Limited)
        else:
            found = client.call("GET", path, None, Limited)
    _show(found, out)
    return 0


def _show(found: Limited, out: Output) -> None:
    out.document(
        "atoll.limits/1",
        {
            "federation": found.federation, "whole": _document(found.whole), "used": _document(found.used),
            "users": {user: _document(limits) for user, limits in found.users.items()},
        },
    )  # fmt: skip
    rows = [("all of it", *_cells(found.whole)), ("  used", *_cells(found.used))]
    rows += [("each user" if user == "*" else user, *_cells(limits)) for user, limits in found.users.items()]
    out.table((found.federation.upper(), "LIVE RUNS", "BYTES", "NODE-HOURS A MONTH"), rows)


def _cells(limits: Limits) -> tuple[str, str, str]:
    runs = "-" if limits.runs is None else f"{limits.runs:,.0f}"
    nbytes = "-" if limits.bytes is None else size(limits.bytes)
    return runs, nbytes, "-" if limits.hours is None else f"{limits.hours:,.2f}"


def _document(limits: Limits) -> dict[str, Any]:
    return {"runs": limits.runs, "bytes": limits.bytes, "hours": limits.hours}


def _number(name: str, text: str) -> float:
    found = _SIZE.fullmatch(text.strip())
    if found is None or (name != "bytes" and found[2]):
        mend = (
            f"a number, or `{_NONE}` to lift it"
            if name != "bytes"
            else "such as 500MB, 2TB, or `none` to lift it"
        )
        raise ConfigError("cli.usage", f"--{name} {text}: that is no number", mend)
    return float(found[1]) * _UNITS[found[2].lower()]
