"""The summary of a run, derived from its events one by one.

Doesn't know where either is kept.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from atoll.journal._events import Committed, Created, Event, Finished, Started, encode
from atoll.values import ConfigError, JournalError, NotFound, Scalar, suggestion

MAX_NAME = 200  # characters of a run's name
RUNNING, FINISHED, FAILED, STOPPED, INTERRUPTED = "running", "finished", "failed", "stopped", "interrupted"


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """One line about a run. `status` is running, finished, failed, stopped, or interrupted (its process is gone)."""

    id: str
    name: str
    app: str
    status: str
    created: float  # seconds since 1970, UTC
    updated: float
    nodes: int
    round: int = 0  # the last one committed
    rounds: int = 0  # planned
    attempts: int = 0
    pid: int = 0
    seconds: float = 0.0  # spent in committed rounds
    metrics: dict[str, Scalar] = {}
    reason: dict[str, str] = {}


def project(summary: Summary | None, event: Event) -> Summary | None:
    """The summary after one more event."""
    if isinstance(event, Created):
        app = str(event.app.get("name") or event.name)
        return Summary(id=event.id, name=event.name, app=app, status=INTERRUPTED, created=event.time,
                       updated=event.time, nodes=len(event.nodes))  # fmt: skip
    if summary is None:
        return None
    change = msgspec.structs.replace
    if isinstance(event, Started):
        return change(
            summary, status=RUNNING, attempts=event.attempt, pid=event.pid, updated=event.time, reason={}
        )
    if isinstance(event, Committed):
        spent = summary.seconds + event.seconds
        return change(
            summary,
            round=event.round,
            rounds=event.total,
            metrics=event.metrics,
            seconds=spent,
            updated=event.time,
        )
    if isinstance(event, Finished):
        return change(summary, status=event.status, reason=event.reason, updated=event.time)
    return summary


def pick(reference: str, summaries: Iterable[Summary]) -> Summary:
    """The run that a reference means among summaries, newest first. Raises `NotFound`."""
    runs = list(summaries)
    exact = [s for s in runs if reference in (s.name, s.id)]
    if exact:
        return exact[0]
    if reference in ("@latest", "latest") and runs:
        return runs[0]
    begun = [s for s in runs if reference and s.id.startswith(reference)]
    if len(begun) == 1:
        return begun[0]
    if begun:
        raise NotFound(
            "run.ambiguous",
            f"`{reference}` begins {len(begun)} run ids",
            f"give more of it: {', '.join(s.id for s in begun[:4])}",
        )
    if not runs:
        raise NotFound("run.unknown", "there are no runs yet", "start one with `atoll run`")
    raise NotFound(
        "run.unknown",
        f"there is no run `{reference}`",
        suggestion(reference, [s.name for s in runs], what="runs"),
    )


def admitted(created: Created, taken: Collection[str]) -> Created:
    """A new run with a name of its own, fit to be written. Raises `JournalError` and `ConfigError`."""
    if not created.name:
        created = msgspec.structs.replace(created, name=unused_name(str(created.app.get("name", "")), taken))
    name = created.name
    if name in taken:
        raise JournalError(
            "run.name-taken", f"there is a run named `{name}` already", "choose another --name"
        )
    if not name.isprintable() or name.startswith(("@", "-")) or len(name) > MAX_NAME:
        raise ConfigError(
            "run.bad-name",
            f"a run can't be named {name!r:.140}",
            f"use up to {MAX_NAME} printable characters, not beginning with @ or -",
        )
    try:
        encode(created)
    except (TypeError, ValueError, OverflowError) as error:
        raise ConfigError(
            "run.bad-config",
            f"the run's config or settings can't be written: {error}",
            "use numbers, texts, lists and tables",
        ) from error
    return created


def named_among(name: str, among: str) -> str:
    """A run's name as it is kept, to tell it from the same name elsewhere. No name has a line's end in it."""
    return f"{among}\n{name}" if among else name


def names_among(names: Iterable[str], among: str) -> set[str]:
    """Those of the kept names that belong together."""
    pairs = (name.rpartition("\n") for name in names)
    return {name for prefix, _, name in pairs if prefix == among}


def unused_name(app: str, taken: Iterable[str]) -> str:
    """`<app>-<number>`, the number one above the highest in use."""
    stem, numbers = f"{app or 'run'}-", [0]
    for name in taken:
        if name.startswith(stem) and name[len(stem) :].isdigit():
            numbers.append(int(name[len(stem) :]))
    return f"{stem}{max(numbers) + 1}"
