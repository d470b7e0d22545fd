"""A run's card: all that is needed to repeat it, and to tell whether what came of it is the same.

Doesn't know how it is written down. What it says of data is what the journal holds: never a value of it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from atoll.surfaces._apps import AGAIN, digest_of_app
from atoll.surfaces._facts import Facts
from atoll.values import Arrays

_NAMED = ("partition", "clock", "threads", "save")


def card_of(facts: Facts) -> dict[str, Any]:
    """The card, as `atoll.card/1` has it. Reads the model, to name its digest."""
    created, summary = facts.created, facts.summary
    app = created.app
    return {
        "run": summary.id, "name": summary.name, "status": summary.status, "round": summary.round, "rounds": summary.rounds,
        "began": _utc(facts.began), "ended": _utc(facts.ended), "seconds": summary.seconds, "repeats": app.get(AGAIN),
        "federation": created.settings.get("federation"),
        "app": {"name": app.get("name", ""), "bundle": digest_of_app(created) or None, "sources": app.get("digest"),
                "server": app.get("server"), "client": app.get("client"), "data": app.get("data") or None},
        "seed": created.seed, "config": created.config, "settings": _settings(facts), "nodes": created.nodes,
        "versions": created.versions, "machine": created.machine,
        "models": {name: _model(arrays) for name, arrays in facts.history.models.items()},
        "metrics": facts.rounds, "cohorts": _cohorts(facts),
        "sites": {node: facts.sites[node] for node in sorted(facts.sites)},
        "data": [msgspec.structs.asdict(h) for h in facts.held],
    }  # fmt: skip


def _settings(facts: Facts) -> dict[str, Any]:
    settings = {"partition": facts.created.app.get("partition"), **facts.created.settings}
    return {name: settings[name] for name in _NAMED if settings.get(name) is not None}


def _model(arrays: Arrays) -> dict[str, Any]:
    return {"digest": arrays.digest, "arrays": len(arrays), "bytes": arrays.nbytes}


def _cohorts(facts: Facts) -> list[dict[str, Any]]:
    """Who was asked, question by question; `cohort` is null when it was everybody, in the order of the nodes."""
    everybody, found = tuple(facts.created.nodes), []
    for round, questions in facts.asked.items():
        for asked in questions:
            named = None if asked.cohort == everybody else list(asked.cohort)
            found.append({
                "round": round, "action": asked.action, "asked": len(asked.cohort), "replied": facts.replied.get((round, asked.action), 0),
                "failed": facts.failed.get((round, asked.action), 0), "cohort": named,
            })  # fmt: skip
    return found


def _utc(time: float | None) -> str | None:
    return None if time is None else datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
