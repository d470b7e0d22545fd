"""Runs, as lists show them: the journal's summaries, where each runs, and what it waits for.

Doesn't change anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from atoll.journal import RUNNING, Created, Summary
from atoll.service.coordinator._books import Books
from atoll.service.coordinator._hosts import Hosts
from atoll.service.coordinator._nodes import Nodes
from atoll.service.coordinator._refusals import Refusal
from atoll.service.coordinator._run import Run
from atoll.values import NotFound
from atoll.wire import RunInfo, RunList

ATTENDED = 60.0  # seconds after which a silent server app on the user's machine is missed


class Showing:
    """What users see of runs."""

    def __init__(self, books: Books, nodes: Nodes, hosts: Hosts) -> None:
        self._books, self._nodes, self._hosts = books, nodes, hosts

    def all(self, federation: str = "", sees: Callable[[str], bool] = lambda id: True) -> RunList:
        """Runs, newest first; those that `sees` lets through, by their ids."""
        infos = (self.info(s) for s in self._books.journal.runs() if sees(s.id))
        return RunList(runs=[i for i in infos if not federation or i.federation == federation])

    def show(self, reference: str) -> RunInfo:
        """The run that a name, an id or the beginning of one means."""
        return self.info(self.summary(reference))

    def info(self, summary: Summary) -> RunInfo:
        """A run as lists show it."""
        run = self._books.runs.get(summary.id)
        if run is not None and run.live:
            summary = msgspec.structs.replace(summary, status=RUNNING)
        federation, where = (run.federation, run.where) if run else self._settings(summary.id)
        waiting = self._waiting(run) if run is not None and run.live else ""
        return RunInfo(
            summary=msgspec.structs.asdict(summary), federation=federation, where=where, waiting=waiting
        )

    def _settings(self, id: str) -> tuple[str, str]:
        for _, event in self._books.journal.events(id):
            if isinstance(event, Created):
                return str(event.settings.get("federation", "")), str(event.settings.get("where", "host"))
            break
        return "", "host"

    def _waiting(self, run: Run) -> str:
        if self._books.stalled:
            return self._books.stalled
        if run.where == "host" and (why := self._hosts.waiting(run)):
            return why
        silent = run.said_at is None or self._books.clock.monotonic() > run.said_at + ATTENDED
        if run.where == "here" and silent and run.listener is None:
            return "its server app, on the user's machine, is not there"
        calls = run.calls.open()
        away = sorted({c.node for c in calls if not self._nodes.here(run.federation, c.node)}, key=natural)
        if away:
            more = f" and {len(away) - 3} more" if len(away) > 3 else ""
            return f"nodes that are away: {', '.join(away[:3])}{more}"
        return ""

    def summary(self, reference: str) -> Summary:
        """The summary of the run that a reference means. Raises `Refusal`."""
        try:
            return self._books.journal.find(reference)
        except NotFound as error:
            raise Refusal(404, error.code, error.message, error.mend) from error


def natural(name: str) -> list[tuple[int, int | str]]:
    """node-2 comes before node-10."""
    return [(0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"(\d+)", name) if part]
