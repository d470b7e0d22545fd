"""A run's card in Markdown, for people and for a repository.

Doesn't know the run: all it says stands in the card.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from atoll.surfaces.cli._words import count, flat, number, size, span

_SHOWN = 50  # rows of a table
_NAMES = 4  # nodes that are named in a row

_BITS = (
    "With the same app, config, seed, nodes, data, packages and kind of processor, a run again gives this digest. It is the sha256 of the "
    "safetensors file that `atoll pull` writes. See the design note on determinism for what is promised."
)
_DATA = (
    "A fingerprint tells whether data has changed, and nothing about its values. `whole`: of all values. `part`: of a large "
    "column, 64 pieces of it; of a folder, names and sizes. `rows`: of the type, the length and the row numbers alone."
)
_SITES = (
    "Each node's owner decides what is told of its data: nothing, the number of rows, or a fingerprint as well. A node salts "
    "its fingerprints with a secret of its own: they can be compared with the same node's, and with nobody else's."
)


def markdown(card: Mapping[str, Any]) -> str:
    """The card as a document, without a line's end at its end."""
    parts = [
        f"# Run {card['name']}", _about(card), "## Model", *_models(card), "## Config", _table(("Key", "Value"), _code(flat(card["config"]))),
        "## Settings", _table(("Key", "Value"), _code(flat(card["settings"]))),
        "## Versions and machine", _table(("What", "Value"), {**card["versions"], **card["machine"]}.items()),
        *_sites(card["sites"]), "## Metrics", _metrics(card["metrics"]), "## Cohorts", _cohorts(card), "## Data", *_data(card),
        "## To run it again", *_again(card),
    ]  # fmt: skip
    return "\n\n".join(part for part in parts if part)


def _about(card: Mapping[str, Any]) -> str:
    app, nodes = card["app"], card["nodes"]
    where = f"federation {card['federation']}" if card["federation"] else "simulated"
    rows = [
        ("Run", f"`{card['run']}`"), ("Status", f"{card['status']}, round {card['round']} of {card['rounds']}"),
        ("Began", card["began"]), ("Ended", card["ended"] or "-"), ("Time in rounds", span(card["seconds"])),
        ("Where", f"{where}, {count(len(nodes), 'node')}"), ("Seed", card["seed"]), ("App", app["name"]),
        ("Bundle", f"`{app['bundle']}`" if app["bundle"] else "not kept"),
        ("Sources", f"`{app['sources']}`" if app["sources"] else "-"), ("Data source", f"`{app['data']}`" if app["data"] else "-"),
    ]  # fmt: skip
    if card["repeats"]:
        rows.append(("Repeats run", f"`{card['repeats']}`"))
    return _table(("", ""), rows)


def _models(card: Mapping[str, Any]) -> list[str]:
    rows = [(n, f"`{m['digest']}`", m["arrays"], size(m["bytes"])) for n, m in card["models"].items()]
    return [_table(("Name", "Digest", "Arrays", "Size"), rows), _BITS] if rows else ["There is none."]


def _metrics(rounds: Sequence[Mapping[str, Any]]) -> str:
    names = list(dict.fromkeys(n for r in rounds for n in r if n not in ("round", "seconds")))
    rows = [(r["round"], *(number(r[n]) if n in r else "-" for n in names)) for r in rounds]
    return _table(("Round", *names), rows[-_SHOWN:], of=len(rows))


def _cohorts(card: Mapping[str, Any]) -> str:
    rows = [
        (
            c["round"] if c["round"] > 0 else "-",
            c["action"],
            c["asked"],
            c["replied"],
            c["failed"],
            _names(c["cohort"]),
        )
        for c in card["cohorts"]
    ]
    return _table(("Round", "Task", "Asked", "Replied", "Failed", "Who"), rows[-_SHOWN:], of=len(rows))


def _sites(sites: Mapping[str, Mapping[str, str]]) -> list[str]:
    """What the nodes of a federation compute with; those alike in one row."""
    alike: dict[str, list[str]] = {}
    for node, versions in sites.items():
        alike.setdefault("  ".join(f"{n} {v}" for n, v in versions.items()), []).append(node)
    rows = [(_names(nodes), versions) for versions, nodes in alike.items()]
    return ["### At the nodes", _table(("Node", "Versions"), rows)] if rows else []


def _names(cohort: Sequence[str] | None) -> str:
    if cohort is None:
        return "all"
    more = f" and {len(cohort) - _NAMES} more" if len(cohort) > _NAMES else ""
    return ", ".join(cohort[:_NAMES]) + more


def _data(card: Mapping[str, Any]) -> list[str]:
    rows = [(h["node"], h["name"], "-" if h["rows"] is None else f"{h['rows']:,}", f"`{h['fingerprint']}`" if h["fingerprint"] else "-")
            for h in card["data"]]  # fmt: skip
    if not rows:
        return ["Nothing is known of the nodes' data."]
    told = [_SITES] if card["federation"] else []
    return [_table(("Node", "Data set", "Rows", "Fingerprint"), rows[:_SHOWN], of=len(rows)), _DATA, *told]


def _again(card: Mapping[str, Any]) -> list[str]:
    name = card["name"]
    if not card["app"]["bundle"]:
        known = card["app"]["sources"]
        return [
            f"Its app was not kept: {'it takes the sources whose digest stands above' if known else 'a script began it'}."
        ]
    lines = (f"atoll rerun {name}", f"atoll diff {name} @latest", f"atoll new a-copy --from {name}")
    return [f"Where this run is kept (of a federation, with `--on`):\n\n{_indented(lines)}",
            f"Elsewhere, with the app's bundle (`atoll pull {name} --app`) and what is written above."]  # fmt: skip


def _indented(lines: Iterable[str]) -> str:
    return "\n".join(f"    {line}" for line in lines)


def _code(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(f"`{key}`", f"`{value}`") for key, value in values.items()]


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]], *, of: int = 0) -> str:
    """Nothing when there is no row. `of`: how many there would be."""
    lines = [f"| {' | '.join(_cell(c) for c in row)} |" for row in rows]
    if not lines:
        return "None."
    more = [f"\n{of - len(lines):,} rows more are in the card as JSON."] if of > len(lines) else []
    return "\n".join([f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *lines, *more])


def _cell(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
