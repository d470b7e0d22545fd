"""A journal in memory: for a notebook, a test, a run that nobody needs to resume.

Doesn't outlive its process.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Collection, Iterator
from functools import partial

import msgspec

from atoll.journal._events import Created, Event, Finished, encode
from atoll.journal._journal import Batch, Entry
from atoll.journal._summary import (
    INTERRUPTED,
    RUNNING,
    Summary,
    admitted,
    named_among,
    names_among,
    pick,
    project,
)
from atoll.values import Arrays, JournalError, NotFound


class MemoryJournal:
    """Keeps events and arrays as the objects they are."""

    durable = False

    def __init__(self) -> None:
        self._events: dict[str, list[Event]] = {}
        self._summaries: dict[str, Summary] = {}
        self._names: dict[str, str] = {}  # of runs, as they are told apart
        self._objects: dict[tuple[str, str], Arrays] = {}
        self._bodies: dict[str, dict[str, bytes]] = {}
        self._keys = itertools.count(1)
        self._holds: dict[str, _MemoryHold] = {}
        self._changed = threading.Condition()

    def create(self, created: Created, *, among: str = "") -> Created:
        created = admitted(created, names_among(self._names.values(), among))
        self._names[created.id] = named_among(created.name, among)
        self._events[created.id] = []
        self.append(created.id, created)
        return created

    def append(self, run: str, entry: Entry, *, nbytes: int = 0) -> None:
        self.append_all(run, lambda shelf: (entry(shelf) if callable(entry) else entry,))

    def append_all(self, run: str, batch: Batch, *, nbytes: int = 0) -> None:
        shelf = _MemoryShelf(self._objects, run, self._keys)
        events = batch(shelf)
        with self._changed:
            bodies = self._bodies.setdefault(run, {})
            bodies.update(shelf.kept)
            for event in events:
                self._events[run].append(event)
                summary = project(self._summaries.get(run), event)
                if summary is not None:
                    self._summaries[run] = summary
            for key in shelf.dropped:
                self._objects.pop((run, key), None)
                bodies.pop(key, None)
            self._changed.notify_all()

    def when_durable(self, then: Callable[[Exception | None], None]) -> None:
        then(None)

    def revive(self) -> None:
        """Nothing to do: what is appended is kept."""

    def flush(self) -> None:
        """Nothing to do: what is appended is kept."""

    def events(self, run: str, after: int = 0) -> Iterator[tuple[int, Event]]:
        if run not in self._events:
            raise NotFound("run.unknown", f"there is no run `{run}`")
        yield from enumerate(self._events[run][after:], start=after + 1)

    def encoded(self, run: str, after: int = 0, *, limit: int = 1000) -> list[tuple[int, bytes]]:
        return [(number, encode(event)) for number, event in itertools.islice(self.events(run, after), limit)]

    def runs(self) -> list[Summary]:
        numbered = enumerate(self._summaries.values())
        newest = sorted(numbered, key=lambda pair: (pair[1].created, pair[0]), reverse=True)
        return [self._seen(summary) for _, summary in newest]

    def find(self, reference: str) -> Summary:
        return pick(reference, self.runs())

    def arrays(self, run: str, key: str) -> Arrays:
        try:
            return self._objects[run, key]
        except KeyError:
            raise NotFound("object.unknown", f"run `{run}` keeps no object `{key}`") from None

    def body(self, run: str, key: str) -> bytes:
        try:
            return self._bodies[run][key]
        except KeyError:
            raise NotFound("object.unknown", f"run `{run}` keeps no object `{key}`") from None

    def bodies(self, run: str) -> Iterator[tuple[str, bytes]]:
        yield from list(self._bodies.get(run, {}).items())

    def keep_only(self, run: str, keys: Collection[str]) -> None:
        for owner, key in list(self._objects):
            if owner == run and key not in keys:
                del self._objects[owner, key]
        kept = self._bodies.get(run, {})
        self._bodies[run] = {key: body for key, body in kept.items() if key in keys}

    def remove(self, run: str) -> None:
        if run not in self._events:
            raise NotFound("run.unknown", f"there is no run `{run}`")
        if run in self._holds:
            raise JournalError("run.busy", f"run `{run}` is running", "stop it first")
        self._events.pop(run, None)
        self._summaries.pop(run, None)
        self._names.pop(run, None)
        self._bodies.pop(run, None)
        for key in [k for k in self._objects if k[0] == run]:
            del self._objects[key]

    def hold(self, run: str) -> _MemoryHold:
        if run in self._holds:
            raise JournalError("run.busy", f"run `{run}` is being run already", "wait for it, or stop it")
        hold = self._holds[run] = _MemoryHold(self, run)
        return hold

    def held(self, run: str) -> bool:
        return run in self._holds

    def follow(self, run: str, after: int = 0) -> Iterator[tuple[int, Event]]:
        while True:
            with self._changed:
                self._changed.wait_for(partial(self._news, run, after))
                live = run in self._holds
            last: Event | None = None
            for number, last in self.events(run, after):
                after = number
                yield number, last
            if not live or isinstance(last, Finished):
                return

    def close(self) -> None:
        """Nothing to let go."""

    def _news(self, run: str, after: int) -> bool:
        return len(self._events.get(run, ())) > after or run not in self._holds

    def _seen(self, summary: Summary) -> Summary:
        if summary.status == RUNNING and summary.id not in self._holds:
            return msgspec.structs.replace(summary, status=INTERRUPTED)
        return summary

    def _release(self, run: str, hold: _MemoryHold) -> None:
        with self._changed:
            if self._holds.get(run) is hold:
                del self._holds[run]
            self._changed.notify_all()


class _MemoryHold:
    def __init__(self, journal: MemoryJournal, run: str) -> None:
        self._journal, self._run = journal, run

    def release(self) -> None:
        self._journal._release(self._run, self)


class _MemoryShelf:
    def __init__(self, objects: dict[tuple[str, str], Arrays], run: str, keys: Iterator[int]) -> None:
        self._objects, self._run, self._keys = objects, run, keys
        self.kept: dict[str, bytes] = {}
        self.dropped: list[str] = []

    def keep(self, key: str, body: bytes) -> None:
        self.kept[key] = body
        if key in self.dropped:
            self.dropped.remove(key)

    def put(self, kind: str, arrays: Arrays) -> str:
        key = f"{kind}-{next(self._keys)}"  # no digest: the object itself is kept, so that nothing is hashed
        self._objects[self._run, key] = arrays
        return key

    def drop(self, key: str) -> None:
        self.dropped.append(key)
