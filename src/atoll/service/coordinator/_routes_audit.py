"""The API of what is written down: the audit log, usage, and what a federation may have.

Doesn't know who may see it; the desk's records do.
"""

from __future__ import annotations

import re

from atoll.identity import Permission as P
from atoll.service.coordinator._desk import Desk
from atoll.service.coordinator._refusals import Refusal
from atoll.service.coordinator._route import TEXT, Asked, Route
from atoll.wire import AuditPage, AuditPiece, Limitation, Limited, UsageList

MOST = 1 << 53
_NUMBER = {"type": "integer", "minimum": 0, "maximum": MOST}
_TIME = {"type": "number", "minimum": 0, "maximum": MOST}
_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")


async def _entries(desk: Desk, asked: Asked) -> AuditPage:
    return await desk.records.entries(
        asked.who, after=int(asked.number("after", MOST)), since=asked.number("since", MOST), by=asked.text("who"),
        run=asked.text("run"),
    )  # fmt: skip


async def _piece(desk: Desk, asked: Asked) -> AuditPiece:
    return await desk.records.piece(
        asked.who, at=int(asked.number("at", MOST)), until=int(asked.number("until", MOST))
    )


async def _usage(desk: Desk, asked: Asked) -> UsageList:
    month = asked.text("month")
    if month and not _MONTH.fullmatch(month):
        raise Refusal(400, "request.bad-month", f"{month!r:.20} is no month", "use one such as 2026-11")
    return await desk.records.usage(asked.who, month)


AUDIT_ROUTES = (
    Route("GET", "/v1/audit", P.AUDIT_SEE, AuditPage, _entries,
          query={"after": _NUMBER, "since": _TIME, "who": TEXT, "run": TEXT}),
    Route("GET", "/v1/audit/export", P.AUDIT_EXPORT, AuditPiece, _piece, query={"at": _NUMBER, "until": _NUMBER}),
    Route("GET", "/v1/usage", P.USAGE_SEE, UsageList, _usage, query={"month": TEXT}),
    Route("GET", "/v1/federations/{name}/limits", P.USAGE_SEE, Limited, lambda d, a: d.records.limits(a.who, a.path["name"])),
    Route("POST", "/v1/federations/{name}/limits", P.FEDERATION_CHANGE, Limited, lambda d, a: d.records.limit(a.who, a.path["name"], a.body), Limitation),
)  # fmt: skip
