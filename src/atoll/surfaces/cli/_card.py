"""`atoll card`: all that is needed to repeat a run, as a document of its own.

Doesn't collect it; it writes what `card_of` found.
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import msgspec

from atoll.journal import SqliteJournal
from atoll.surfaces._card import card_of
from atoll.surfaces._card_text import markdown
from atoll.surfaces._facts import Facts, facts_of
from atoll.surfaces.cli._output import Output
from atoll.surfaces.cli._runs import Runs, located
from atoll.values import ConfigError, NotFound
from atoll.wire import Refused

_SCHEMA = "atoll.card/1"
_FORBIDDEN = 403


def card(values: Namespace, out: Output) -> int:
    """Write a run's card."""
    path = Path(values.output).expanduser() if values.output else None
    if path is not None and path.suffix.lower() not in (".md", ".json"):
        raise ConfigError(
            "cli.usage", f"a card is written as .md or .json, not as `{path.name}`", "-o card.md"
        )
    found = located(values.run, values.on)
    try:
        content = card_of(_facts(found.runs, found.run, out))
        if not isinstance(found.runs, SqliteJournal):
            found.runs.forget()
    finally:
        found.runs.close()
    out.document(_SCHEMA, content)
    if path is None:
        out.line(markdown(content))
    else:
        _write(path, content)
        out.line(f"{path}: the card of {content['name']}")
    return 0


def _facts(runs: Runs, reference: str, out: Output) -> Facts:
    """What is known of the run; without its model for whoever may not have it."""
    summary = runs.find(reference)
    try:
        return facts_of(runs, summary)
    except (Refused, NotFound) as error:
        if isinstance(error, Refused) and error.status != _FORBIDDEN:
            raise
        out.note(f"note: without the model's digest: {error.message}")
        return facts_of(runs, summary, models=False)


def _write(path: Path, content: dict[str, Any]) -> None:
    if path.suffix.lower() == ".md":
        body = f"{markdown(content)}\n".encode()
    else:
        body = msgspec.json.format(msgspec.json.encode({"schema": _SCHEMA, **content}), indent=2) + b"\n"
    try:
        path.write_bytes(body)
    except OSError as error:
        raise ConfigError(
            "pull.unwritable", f"{path} can't be written: {error.strerror or error}", "-o another file"
        ) from error
