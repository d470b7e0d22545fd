"""`atoll diff`: two runs beside each other.

Doesn't compute it; it shows what `compare` found, in as many columns as the terminal has.
"""

from __future__ import annotations

import math
import shutil
from argparse import Namespace
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from atoll.journal import SqliteJournal
from atoll.surfaces._apps import body_of, digest_of_app
from atoll.surfaces._compare import compare
from atoll.surfaces._distance import Distance, Distances
from atoll.surfaces._facts import Facts, facts_of
from atoll.surfaces.cli._output import STATUS_COLOURS, Output
from atoll.surfaces.cli._runs import Runs, located
from atoll.surfaces.cli._words import count, number
from atoll.values import AtollError

_SHOWN = 20  # rounds, arrays and nodes that are shown at most
_NEVER = 1000.0


def diff(values: Namespace, out: Output) -> int:
    """Compare two runs."""
    with ExitStack() as stack:
        opened = [located(reference, values.on) for reference in (values.run, values.other)]
        for found in opened:
            stack.callback(_let_go, found.runs)
        a, b = (facts_of(found.runs, found.runs.find(found.run)) for found in opened)
        document = compare(a, b)
        document["files"] = _files(opened[0].runs, a, opened[1].runs, b)
        out.document("atoll.diff/1", document)
        if not out.as_json:
            _show(document, (a, b), out)
    return 0


def _let_go(runs: Runs) -> None:
    if not isinstance(runs, SqliteJournal):
        runs.forget()
    runs.close()


def _files(mine: Runs, a: Facts, theirs: Runs, b: Facts) -> dict[str, Any] | None:
    """Which files of the app are others; None when an app is not there to be looked at."""
    from atoll.wire import read_bundle

    if digest_of_app(a.created) == digest_of_app(b.created) != "":
        return {"changed": [], "only": ([], [])}
    try:
        bundles = [read_bundle(body_of(runs, facts.created)) for runs, facts in ((mine, a), (theirs, b))]
    except AtollError:
        return None
    x, y = ({entry.path: entry.sha256 for entry in bundle.files} for bundle in bundles)
    only = ([p for p in x if p not in y], [p for p in y if p not in x])
    return {"changed": [p for p in x if p in y and x[p] != y[p]], "only": only}


# -- in words -------------------------------------------------------------------------------------------------


def _show(found: Mapping[str, Any], facts: tuple[Facts, Facts], out: Output) -> None:
    for letter, one in zip("AB", facts, strict=True):
        s = one.summary
        status = out.paint(s.status, STATUS_COLOURS.get(s.status, "cyan"))
        rounds = f"round {s.round} of {s.rounds}, {count(s.nodes, 'node')}, seed {one.created.seed}"
        out.line(
            f"{out.paint(letter, 'bold')}  {out.paint(s.name, 'bold')}  {out.paint(s.id, 'dim')}  {status}, {rounds}"
        )
    out.line()
    _begun(found, out)
    _unknown(facts, out)
    _metrics(found, out)
    _models(found, out)


def _begun(found: Mapping[str, Any], out: Output) -> None:
    """What they were begun with: a line where it is the same, a table where it isn't."""
    rows = [(f"config {key}", *pair) for key, pair in found["config"].items()]
    if found["seed"][0] != found["seed"][1]:
        rows.append(("seed", *found["seed"]))
    rows += [(key, *pair) for key, pair in found["settings"].items()]
    rows += [(key, *pair) for part in ("versions", "machine") for key, pair in found[part].items()]
    if found["nodes"]["count"][0] != found["nodes"]["count"][1]:
        rows.append(("nodes", *found["nodes"]["count"]))
    width = max(12, (_width() - 30) // 2)
    if rows:
        shown = [(name, _short(_value(a), width), _short(_value(b), width)) for name, a, b in rows]
        out.table(("", "A", "B"), shown)
    else:
        out.line("begun alike: the same config, seed, settings, versions and machine")
    for line in _app(found["app"], found["files"]):
        out.line(line)
    out.line(_asked(found["cohort"], found["nodes"]))
    if found["data"]["sets"]:
        out.line(_held(found["data"]))


def _unknown(facts: tuple[Facts, Facts], out: Output) -> None:
    dark = [letter for letter, one in zip("AB", facts, strict=True) if not one.created.machine]
    if len(dark) == 1:
        out.line(
            f"machine: of {dark[0]} nothing is known but {', '.join(facts['AB'.index(dark[0])].created.versions)}"
        )


def _app(app: tuple[str, str], files: Mapping[str, Any] | None) -> list[str]:
    if app[0] and app[0] == app[1]:
        return ["app: the same"]
    if files is None:
        return ["app: nobody can tell, as not both were kept"]
    parts = {"changed": files["changed"], "only in A": files["only"][0], "only in B": files["only"][1]}
    lines = [_short(f"  {what:9}  {', '.join(names)}", _width()) for what, names in parts.items() if names]
    return ["app: other files", *lines] if lines else ["app: the same files"]


def _asked(cohort: Mapping[str, Any], nodes: Mapping[str, Any]) -> str:
    unlike, rounds = cohort["unlike"], cohort["rounds"]
    if not rounds:
        told = "no round that both have"
    elif not unlike:
        told = f"the same in {'the round' if rounds == 1 else f'all {rounds} rounds'} that both have"
    else:
        told = f"another one in {len(unlike)} of {count(rounds, 'round')}, first in round {unlike[0]}"
    return f"cohort: {'; '.join([told, *_only(nodes['only'])])}"


def _held(data: Mapping[str, Any]) -> str:
    unlike = [f"{name} at {node}" for node, name in data["unlike"]]
    if not unlike:
        return f"data: the same fingerprints of {count(data['sets'], 'data set')}"
    return f"data: {len(unlike)} of {count(data['sets'], 'data set')} differ: {_some(unlike)}"


def _only(pair: tuple[list[str], list[str]]) -> list[str]:
    return [f"only {letter} has {_some(names)}" for letter, names in zip("AB", pair, strict=True) if names]


def _metrics(found: Mapping[str, Any], out: Output) -> None:
    """Of the rounds that both have; a table when they are not the same."""
    rounds = [r for r in found["rounds"] if r["round"] <= min(one["round"] for one in found["runs"])]
    names = list(dict.fromkeys(n for r in rounds for n in r["metrics"]))
    if not names:
        return
    if all(_cells(pair)[2] == "=" for r in rounds for pair in r["metrics"].values()):
        out.line(f"metrics: {_some(names)} the same in {count(len(rounds), 'round')}")
        return
    names.sort(key=lambda n: n.startswith("train_"))
    left = _metrics_table(rounds[-_SHOWN:], names, out)
    notes = [f"the last {_SHOWN} of {len(rounds)} rounds"] if len(rounds) > _SHOWN else []
    notes += [f"also there: {_some(left)}"] if left else []
    if notes:
        out.line(out.paint(f"{'; '.join(notes)}; everything: --json", "dim"))


def _metrics_table(rounds: list[dict[str, Any]], names: list[str], out: Output) -> list[str]:
    """As many metrics as there is room for; returns the others."""
    head, left = ["ROUND"], list[str]()
    rows = [[str(r["round"])] for r in rounds]
    for name in names:
        more = [name.upper(), "B", "DIFF"]
        wider = [
            [*row, *_cells(r["metrics"].get(name, (None, None)))] for r, row in zip(rounds, rows, strict=True)
        ]
        if len(head) > 1 and _wide([*head, *more], wider) > _width():
            left.append(name)
        else:
            head, rows = [*head, *more], wider
    out.line()
    out.table(head, rows, right=" ".join(head))
    return left


def _models(found: Mapping[str, Any], out: Output) -> None:
    models: Mapping[str, Distances] = found["models"]
    if not models:
        out.line()
        out.line("models: nothing that both have")
    for name, far in models.items():
        out.line()
        if far.same:
            out.line(f"{out.paint(name, 'bold')}: {out.paint('the same, to the bit', 'green')}")
            continue
        alike = sum(d.same for d in far.arrays.values())
        out.line(
            f"{out.paint(name, 'bold')}: {count(len(far.arrays), 'array')} to compare, {alike or 'none'} the same to the bit"
        )
        _arrays(far, out)


def _arrays(far: Distances, out: Output) -> None:
    ordered = sorted(far.arrays.items(), key=lambda pair: -_far(pair[1]))
    chosen = [pair for pair in ordered if not pair[1].same][:_SHOWN]
    rows = [(n, str(tuple(d.shape)).replace(",)", ")"), *_numbers(d)) for n, d in chosen]
    if far.whole is not None and len(far.arrays) > 1:
        rows.append(("all", f"({far.whole.shape[0]:,})", *_numbers(far.whole)))
    if rows:
        head = ("ARRAY", "SHAPE", "L2", "RELATIVE", "LARGEST", "COSINE")
        room = max(12, _width() - _wide(head[1:], [r[1:] for r in rows]) - 2)
        out.table(
            head, [(_short(r[0], room, end=True), *r[1:]) for r in rows], right="L2 RELATIVE LARGEST COSINE"
        )
    hidden = sum(not d.same for d in far.arrays.values()) - len(chosen)
    if hidden > 0:
        out.line(out.paint(f"and {hidden} more that are nearer; everything: --json", "dim"))
    for name, (mine, theirs) in list(far.unlike.items())[:_SHOWN]:
        out.line(f"  {name}: {mine} in A, {theirs} in B")
    for letter, names in zip("AB", far.only, strict=True):
        if names:
            out.line(f"  only in {letter}: {_some(names)}")


# -- cells ----------------------------------------------------------------------------------------------------


def _cells(pair: tuple[Any, Any]) -> tuple[str, str, str]:
    a, b = pair
    told = (_value(a), _value(b))
    numbers = all(isinstance(v, float | int) and not isinstance(v, bool) for v in pair)
    return (*told, ("=" if told == ("nan", "nan") or a == b else f"{b - a:+.3g}") if numbers else "")


def _numbers(d: Distance) -> tuple[str, str, str, str]:
    if d.same:
        return "0", "0", "0", "1"
    shown = [f"{v:.3g}" if v is not None else "-" for v in (d.l2, d.relative, d.largest)]
    return shown[0], shown[1], shown[2], _cosine(d.cosine)


def _cosine(value: float | None) -> str:
    """With as many digits as tell it from 1."""
    if value is None:
        return "-"
    gap = 1 - value
    return f"{value:.4f}" if gap >= 1e-4 or gap <= 0 else f"1-{gap:.0e}"


def _far(d: Distance) -> float:
    return _NEVER if d.relative is None else d.relative


def _value(value: Any) -> str:
    return (
        "-" if value is None else "nan" if isinstance(value, float) and math.isnan(value) else number(value)
    )


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _short(text: str, width: int, *, end: bool = False) -> str:
    if len(text) <= width:
        return text
    return f"...{text[3 - width :]}" if end else f"{text[: width - 3]}..."


def _width() -> int:
    return shutil.get_terminal_size((100, 24)).columns


def _wide(head: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    return sum(max(len(row[i]) for row in [head, *rows]) + 2 for i in range(len(head))) - 2
