"""`atoll usage`: who used what of a coordinator's federations.

Doesn't know how it is added up.
"""

from __future__ import annotations

import time
from argparse import Namespace
from typing import Any
from urllib.parse import quote

from atoll.surfaces._coordinator import talking_to
from atoll.surfaces._places import needed
from atoll.surfaces.cli._output import Output
from atoll.surfaces.cli._words import size
from atoll.wire import UsageList, UsageRow


def usage(values: Namespace, out: Output) -> int:
    """Show the sums of a month."""
    month = values.month or time.strftime("%Y-%m", time.gmtime())
    path = "/v1/usage" if month == "all" else f"/v1/usage?month={quote(month, safe='')}"
    with talking_to(needed(values.on)) as client:
        rows = client.call("GET", path, None, UsageList).rows
    out.document("atoll.usage/1", {"rows": [_document(row) for row in rows]})
    if not rows:
        out.note(f"nothing was used in {month}")
        return 0
    head = ("MONTH", "FEDERATION", "USER", "RUNS", "NODE-HOURS", "IN", "OUT")
    out.table(head, [_cells(row) for row in rows], right="RUNS NODE-HOURS IN OUT")
    return 0


def _cells(row: UsageRow) -> tuple[str, ...]:
    hours = f"{row.node_seconds / 3600:,.2f}"
    return (
        row.month,
        row.federation,
        _who(row),
        str(row.runs),
        hours,
        size(row.bytes_in),
        size(row.bytes_out),
    )


def _who(row: UsageRow) -> str:
    return row.name or row.user or "local"


def _document(row: UsageRow) -> dict[str, Any]:
    return {
        "month": row.month, "federation": row.federation, "user": row.user or "local", "name": row.name, "runs": row.runs,
        "node_seconds": row.node_seconds, "bytes_in": row.bytes_in, "bytes_out": row.bytes_out,
    }  # fmt: skip
