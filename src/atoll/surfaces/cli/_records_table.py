"""The commands for what was written down: audit logs, and who used what.

Doesn't know how they work.
"""

from __future__ import annotations

from atoll.surfaces.cli._command import CONTEXTS, FILES, Argument, Command, Option

_ON = Option("--on", "NAME", "the context; the one in use when left out", completes=CONTEXTS)
_FILE = Argument("FILE", "?", "an export, or a daemon's audit.jsonl; the coordinator is asked when left out", completes=FILES)

RECORDS = (
    Command(
        "audit show", "show who did what, oldest first",
        examples=(("atoll audit show", "of the last day"), ("atoll audit show --since 30d --who someone@example.org", ""),
                  ("atoll audit show node/audit.jsonl --run my-run", "what a node wrote down, on its machine")),
        arguments=(_FILE,),
        options=(
            Option("--since", "WHEN", "10m, 14:30, 2026-01-31; the last day when left out, all of a file"),
            Option("--who", "WHO", "by a name or a key's id"), Option("--run", "RUN", "about one run, by its id"),
            Option("--limit", "N", "the newest so many; 200 when left out", kind="number"), _ON,
        ),
    ),
    Command(
        "audit verify", "check an audit log, and name its first bad entry",
        examples=(("atoll audit verify", "the coordinator's, as it gives it out now"),
                  ("atoll audit verify audit.export --key k-...", "offline"),
                  ("atoll audit verify audit.export --kept node/audit.jsonl", "against the checkpoints that a node has kept")),
        arguments=(_FILE,),
        options=(
            Option("--key", "ID", "the key that has to have signed it; that of the context when left out"),
            Option("--kept", "FILE", "another log, whose checkpoints of this one have to agree", completes=FILES), _ON,
        ),
        notes="Exits 1 when an entry is bad. What is missing at the end of a daemon's own file only another's checkpoints show.",
    ),
    Command(
        "audit export", "write the coordinator's whole audit log to a file, with a signed checkpoint",
        examples=(("atoll audit export -o audit.export", ""),),
        options=(Option("-o --output", "FILE", "where to", completes=FILES), _ON),
    ),
    Command(
        "usage", "show who used what: runs, node-hours and bytes by user, federation and month",
        examples=(("atoll usage", "of this month"), ("atoll usage --month 2026-10 --json", ""), ("atoll usage --month all", "")),
        options=(Option("--month", "MONTH", "such as 2026-11, or all; this one when left out"), _ON),
    ),
)  # fmt: skip
