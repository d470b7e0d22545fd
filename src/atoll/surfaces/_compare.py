"""What two runs have in common, and what not: how they were begun, whom they asked, what they measured, what they learnt.

Doesn't know where they ran, or how it is shown: what it finds is one document.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from atoll.surfaces._apps import digest_of_app
from atoll.surfaces._distance import Distances, distances
from atoll.surfaces._facts import Facts
from atoll.surfaces.cli._words import flat

SALTED = "salted-"  # how a deployed node's fingerprints begin
Pair = tuple[Any, Any]


def compare(a: Facts, b: Facts) -> dict[str, Any]:
    """Everything, as `atoll.diff/1` has it."""
    models = model_distances(a, b)
    return {
        "runs": [_named(a), _named(b)],
        "config": _unlike(flat(a.created.config), flat(b.created.config)),
        "seed": (a.created.seed, b.created.seed),
        "settings": _unlike(_settings(a), _settings(b)),
        "versions": _known(a, b, a.created.versions, b.created.versions),
        "machine": _known(a, b, a.created.machine, b.created.machine),
        "app": (digest_of_app(a.created), digest_of_app(b.created)),
        "nodes": _nodes(a.created.nodes, b.created.nodes),
        "cohort": _cohort(a, b),
        "data": _data(a, b),
        "rounds": _rounds(a, b),
        "models": models,
        "same_model": bool(models) and set(a.history.models) == set(b.history.models) and all(m.same for m in models.values()),
    }  # fmt: skip


def model_distances(a: Facts, b: Facts) -> dict[str, Distances]:
    """Of each model or state that both ended with."""
    mine, theirs = a.history.models, b.history.models
    return {name: distances(mine[name], theirs[name]) for name in mine if name in theirs}


def _named(facts: Facts) -> dict[str, Any]:
    s = facts.summary
    return {"run": s.id, "name": s.name, "status": s.status, "round": s.round}


def _settings(facts: Facts) -> dict[str, Any]:
    """What a simulation or a federation was told; not what only says where."""
    ignored = ("federation", "where", "user", "bundle", "needs", "order", "workers")
    settings = {k: v for k, v in facts.created.settings.items() if k not in ignored}
    return flat({"partition": facts.created.app.get("partition"), **settings})


def _unlike(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Pair]:
    return {key: (a.get(key), b.get(key)) for key in {**a, **b} if a.get(key) != b.get(key)}


def _known(a: Facts, b: Facts, mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Pair]:
    """What differs of what is known of both: of a federation's run the journal doesn't tell on which machines it was."""
    whole = bool(a.created.machine) == bool(b.created.machine)
    return {k: pair for k, pair in _unlike(mine, theirs).items() if whole or None not in pair}


def _nodes(a: list[str], b: list[str]) -> dict[str, Any]:
    mine, theirs = set(a), set(b)
    return {
        "count": (len(a), len(b)),
        "only": ([n for n in a if n not in theirs], [n for n in b if n not in mine]),
    }


def _cohort(a: Facts, b: Facts) -> dict[str, Any]:
    """The rounds in which others were asked, or in another order."""
    both = sorted(r for r in a.asked if r in b.asked and r > 0)
    unlike = [r for r in both if a.asked[r] != b.asked[r]]
    return {"rounds": len(both), "unlike": unlike}


def _data(a: Facts, b: Facts) -> dict[str, Any]:
    """The data sets (node, name) of which both runs have told something comparable, and those of them that differ."""
    mine, theirs = (
        {(h.node, h.name): h.fingerprint for h in facts.held if h.fingerprint} for facts in (a, b)
    )
    both = [key for key in mine if key in theirs and _comparable(a, mine[key], b, theirs[key])]
    return {"sets": len(both), "unlike": [list(key) for key in both if mine[key] != theirs[key]]}


def _comparable(a: Facts, mine: str, b: Facts, theirs: str) -> bool:
    """Whether two fingerprints can be compared at all: salted ones when they are the same node's, of the same federation."""
    salted = mine.startswith(SALTED), theirs.startswith(SALTED)
    federation = a.created.settings.get("federation"), b.created.settings.get("federation")
    return salted == (False, False) or (salted == (True, True) and federation[0] == federation[1])


def _rounds(a: Facts, b: Facts) -> list[dict[str, Any]]:
    mine, theirs = ({r["round"]: r for r in facts.rounds} for facts in (a, b))
    found = []
    for number in sorted({**mine, **theirs}):
        x, y = mine.get(number, {}), theirs.get(number, {})
        names = [n for n in {**x, **y} if n not in ("round", "seconds")]
        found.append({"round": number, "metrics": {n: (x.get(n), y.get(n)) for n in names}})
    return found
