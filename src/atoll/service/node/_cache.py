"""Objects that a node keeps for the next task: frozen tensors never come twice, old models go.

Doesn't know how objects are fetched.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from atoll.store import DirectoryStore, hex_of
from atoll.values import AtollError, NotFound, ObjectDamaged

ROUNDS = 3  # a run's objects that none of its last rounds used are forgotten
EVERY = 60.0  # seconds between two looks at the whole cache
AGE = 24 * 3600.0  # seconds without use


class Cache:
    """Which objects are used by which round of which run."""

    def __init__(self, folder: Path, most: int) -> None:
        self.store = DirectoryStore(folder)
        self._folder, self._most = folder, most
        self._uses: dict[str, dict[int, set[str]]] = {}
        self._held: Counter[str] = Counter()  # by calls in hand
        self._sound: set[str] = set()  # read through by this process, or fetched by it
        self._lock, self._swept = threading.Lock(), time.monotonic()

    def use(self, run: str, round: int, objects: Mapping[str, int]) -> bool:
        """Note that a call in hand needs these, until `release`; tells whether all are here."""
        if not objects:
            return True
        with self._lock:
            rounds = self._uses.setdefault(run, {})
            rounds.setdefault(round, set()).update(objects)
            self._held.update(objects.keys())
            old = [rounds.pop(r) for r in sorted(rounds)[:-ROUNDS]]
            self._forget(set().union(*old))
        return self._sound.issuperset(objects) and len(self.store.has(objects)) == len(objects)

    def damaged(self, objects: Mapping[str, int]) -> None:
        """Read what an earlier daemon left: what the disk has damaged is put aside, and fetched again."""
        for digest in set(objects) - self._sound:
            with contextlib.suppress(NotFound, ObjectDamaged):
                self.store.path(digest)

    def sound(self, objects: Mapping[str, int]) -> None:
        """These have been fetched, or read."""
        with self._lock:
            self._sound.update(objects)

    def release(self, objects: Mapping[str, int]) -> None:
        """A call that needed these is no longer in hand."""
        if objects:
            with self._lock:
                self._held.subtract(objects.keys())
                self._held += Counter()  # forgets what nobody holds

    def over(self, run: str) -> None:
        """A run is over: what only it used goes."""
        with self._lock:
            self._forget(set().union(*self._uses.pop(run, {}).values()))

    def sweep(self, *, now: bool = False) -> None:
        """Keep within the size, oldest first; what calls in hand use stays."""
        if not now and time.monotonic() - self._swept < EVERY:
            return
        self._swept = time.monotonic()
        with self._lock:
            used = self._used()
            self._sound -= self.store.sweep(used, AGE)
            found = sorted(self._aged())
            size = sum(n for _, n, _ in found)
            for _, n, digest in found:
                if size <= self._most:
                    break
                if digest not in used:
                    self._remove(digest)
                    size -= n

    def _remove(self, digest: str) -> None:
        self._sound.discard(digest)
        with contextlib.suppress(AtollError):
            self.store.remove(digest)

    def _aged(self) -> list[tuple[float, int, str]]:
        found = []
        for digest in self.store.digests():
            with contextlib.suppress(FileNotFoundError):
                name = hex_of(digest)
                stat = (self._folder / name[:2] / name).stat()  # the store's own path() would read it
                found.append((stat.st_mtime, stat.st_size, digest))
        return found

    def _used(self) -> set[str]:
        return set(self._held) | {
            d for rounds in self._uses.values() for objects in rounds.values() for d in objects
        }

    def _forget(self, digests: set[str]) -> None:
        if digests:
            for digest in digests - self._used():
                self._remove(digest)
