"""The seam: what a journal can do. Every journal passes the same conformance suite.

Doesn't know how events are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Protocol, TypeAlias

from atoll.journal._events import Created, Event
from atoll.journal._summary import Summary
from atoll.values import Arrays


class Shelf(Protocol):
    """Where the arrays that events name are put and dropped, together with the event."""

    def put(self, kind: str, arrays: Arrays) -> str:
        """Keep arrays and return their key; durable before the event that is being built."""
        ...

    def keep(self, key: str, body: bytes) -> None:
        """Keep bytes under a key of one's own; in the transaction of the event that is being built."""
        ...

    def drop(self, key: str) -> None:
        """Forget arrays once the event that is being built is durable."""
        ...


Entry: TypeAlias = Event | Callable[[Shelf], Event]
Batch: TypeAlias = Callable[[Shelf], Sequence[Event]]


class Hold(Protocol):
    """The right to write a run; gone when its process is, however it ends."""

    def release(self) -> None: ...


class Source(Protocol):
    """What a history is read from."""

    def events(self, run: str, after: int = 0) -> Iterator[tuple[int, Event]]: ...

    def arrays(self, run: str, key: str) -> Arrays: ...


class Journal(Protocol):
    """An append-only record of runs, and the arrays that its events name.

    One process at a time writes a run (`hold`); anybody reads. A journal that is not `durable` dies with its process.
    """

    durable: bool

    def create(self, created: Created, *, among: str = "") -> Created:
        """Begin a run; durable on return. An empty name is replaced by `<app>-<number>`.

        Its name is nobody else's `among` those begun so: runs that don't know of each other may have the same one.
        """
        ...

    def append(self, run: str, entry: Entry, *, nbytes: int = 0) -> None:
        """Add an event, or a function that builds it with a shelf at hand; returns before it is durable.

        Entries of a run become durable in order, several together when they wait. `nbytes` is what the entry keeps
        in memory until then: the call waits while too much does. Raises `JournalError` when an earlier entry could not
        be written (a full disk, say): nothing after it was.
        """
        ...

    def flush(self) -> None:
        """Return when everything appended is durable. Raises `JournalError`."""
        ...

    def events(self, run: str, after: int = 0) -> Iterator[tuple[int, Event]]:
        """Numbered events of a run from number `after` on, oldest first."""
        ...

    def runs(self) -> list[Summary]:
        """All runs, newest first."""
        ...

    def find(self, reference: str) -> Summary:
        """The run that `@latest`, a name, an id or the beginning of one means. Raises `NotFound`."""
        ...

    def arrays(self, run: str, key: str) -> Arrays:
        """The arrays that an event names. Raises `NotFound`."""
        ...

    def keep_only(self, run: str, keys: Collection[str]) -> None:
        """Forget every object of a held run but these: what a crash left behind."""
        ...

    def remove(self, run: str) -> None:
        """Forget a run and all that it kept. Raises `JournalError` while somebody holds it."""
        ...

    def hold(self, run: str) -> Hold:
        """Take the right to write a run. Raises `JournalError` (`run.busy`) when somebody has it."""
        ...

    def held(self, run: str) -> bool:
        """Whether somebody has it now."""
        ...

    def follow(self, run: str, after: int = 0) -> Iterator[tuple[int, Event]]:
        """Events as they come, until the run is finished or nobody holds it any more."""
        ...

    def close(self) -> None:
        """Flush and let go."""
        ...


class Ledger(Journal, Protocol):
    """A journal that keeps bodies, too, and tells when it is durable: what a coordinator needs. It never waits for the disk."""

    def append_all(self, run: str, batch: Batch, *, nbytes: int = 0) -> None:
        """Add the events that a function builds with a shelf at hand, or none: all of them in one transaction."""
        ...

    def when_durable(self, then: Callable[[Exception | None], None]) -> None:
        """Call, from any thread, once all that was appended so far is durable; with an error when it never will be."""
        ...

    def revive(self) -> None:
        """Write again after a failure. What was appended and is not durable is forgotten."""
        ...

    def encoded(self, run: str, after: int = 0, *, limit: int = 1000) -> list[tuple[int, bytes]]:
        """Numbered events of a run as the bytes they are kept as. Raises `NotFound`."""
        ...

    def body(self, run: str, key: str) -> bytes:
        """What was kept under a key. Raises `NotFound`."""
        ...

    def bodies(self, run: str) -> Iterator[tuple[str, bytes]]:
        """All keys of a run, and the bytes kept under them; of large arrays only those that are no files."""
        ...
