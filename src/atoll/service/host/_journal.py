"""A run's journal, seen from its server app's process: what is appended is said, what was is asked for.

Doesn't know how the coordinator keeps it. One run, one lease.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NoReturn

from atoll.journal import Committed, Created, Entry, Event, Summary
from atoll.journal import decode as decoded
from atoll.journal import encode as encoded
from atoll.service.host._conversation import Caller, Conversation
from atoll.service.host._objects import Objects
from atoll.service.host._packing import Packing
from atoll.values import Arrays, JournalError, NotFound, pack
from atoll.wire import Events, Manifest, Shelved, digest_of

MODEL = "model"
_REPLY = "reply-"


class WireJournal:
    """What a `Record` and a `History` need of a journal; the rest is the coordinator's."""

    durable = True

    def __init__(
        self, client: Caller, run: str, talk: Conversation, packing: Packing, objects: Objects
    ) -> None:
        self._path = f"/v1/runs/{run}"
        self._client, self._talk, self._packing, self._objects = client, talk, packing, objects
        self._manifests: dict[str, Manifest] = {}
        self._own: set[str] = set()  # of those, what this process put there itself

    def append(self, run: str, entry: Entry, *, nbytes: int = 0) -> None:
        shelf = _Shelf(self._packing)
        event = entry(shelf) if callable(entry) else entry
        self._talk.event(encoded(event), shelf.manifests, shelf.dropped)
        self._manifests.update(shelf.manifests)
        self._own.update(shelf.manifests)
        for key in shelf.dropped:
            self._manifests.pop(key, None)
            self._own.discard(key)
        if isinstance(event, Committed):
            self._packing.forget(*shelf.kept)
            self._objects.forget()

    def flush(self) -> None:
        self._talk.say()

    def events(self, run: str, after: int = 0) -> Iterator[tuple[int, Event]]:
        while found := self._client.call("GET", f"{self._path}/events?after={after}", None, Events).events:
            for after, body in found:
                yield after, decoded(body)

    def arrays(self, run: str, key: str) -> Arrays:
        manifest = self.manifest(key)
        payload = self._objects.payload(manifest, fresh=key in self._own)
        found = payload.get(MODEL)
        if isinstance(found, Arrays) and len(payload) == 1:
            self._packing.adopt(payload, manifest)
        return found if isinstance(found, Arrays) and not key.startswith(_REPLY) else pack(payload)

    def manifest(self, key: str) -> Manifest:
        """What lies on the run's shelf under a key. Raises `NotFound`."""
        if key not in self._manifests:
            found = self._client.call("GET", f"{self._path}/shelf?keys={key}", None, Shelved).objects
            if key not in found:
                raise NotFound("object.unknown", f"the run keeps no object `{key}`")
            self._manifests[key] = found[key]
        return self._manifests[key]

    def keep_only(self, run: str, keys: Collection[str]) -> None:
        """Nothing is left behind: what no event names was never shelved."""

    def hold(self, run: str) -> WireJournal:
        return self  # the lease is the hold

    def release(self) -> None:
        """The lease ends with the process, or when somebody else takes it."""

    def held(self, run: str) -> bool:
        return True

    def close(self) -> None:
        self._talk.close()

    def create(self, created: Created, *, among: str = "") -> Created:
        self._elsewhere()

    def runs(self) -> list[Summary]:
        self._elsewhere()

    def find(self, reference: str) -> Summary:
        self._elsewhere()

    def remove(self, run: str) -> None:
        self._elsewhere()

    def follow(self, run: str, after: int = 0) -> Iterator[tuple[int, Event]]:
        self._elsewhere()

    def _elsewhere(self) -> NoReturn:
        raise JournalError(
            "journal.elsewhere", "a server app's process sees its own run only", "ask the coordinator"
        )


class _Shelf:
    """What one event puts and drops."""

    def __init__(self, packing: Packing) -> None:
        self._packing = packing
        self.manifests: dict[str, Manifest] = {}
        self.kept: list[Arrays] = []
        self.dropped: list[str] = []

    def put(self, kind: str, arrays: Arrays) -> str:
        manifest = self._packing.keep({MODEL: arrays})
        key = f"{kind}-{digest_of(manifest).replace(':', '-')}"
        self.manifests[key] = manifest
        self.kept.append(arrays)
        if key in self.dropped:
            self.dropped.remove(key)
        return key

    def keep(self, key: str, body: bytes) -> None:
        raise JournalError(
            "journal.elsewhere", "a server app's process shelves arrays only", "ask the coordinator"
        )

    def drop(self, key: str) -> None:
        if key not in self.manifests:
            self.dropped.append(key)
