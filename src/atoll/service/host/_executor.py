"""An executor whose calls are carried out by nodes: it tells the coordinator, and hears how they ended.

Doesn't know where nodes are. A call has the same key in every attempt of the run, so that asking again is attaching.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from atoll.app import Broken, Call, Done, Outcome, Update
from atoll.journal import Called, CallRow
from atoll.service.host._conversation import Conversation
from atoll.service.host._journal import WireJournal
from atoll.service.host._objects import Objects
from atoll.service.host._packing import Packing
from atoll.values import Metrics, NotFound
from atoll.wire import Good, TaskSpec, metrics_of
from atoll.wire import Outcome as Ended

WAIT = 30.0  # seconds of a long poll


class WireExecutor:
    """Calls go out together, when somebody waits for their outcomes."""

    def __init__(
        self, talk: Conversation, journal: WireJournal, packing: Packing, objects: Objects, *, nodes: int
    ) -> None:
        self._talk, self._journal, self._packing, self._objects = talk, journal, packing, objects
        self.capacity = nodes
        self._open: dict[str, tuple[int, str]] = {}  # key -> call, digest
        self._keys: dict[int, str] = {}
        self._lost: list[Outcome] = []

    def start(self, call: Call) -> None:
        spec, digest = self._packing.ready(call.task)
        key = f"{call.round}.{call.ordinal}.{call.place}.{call.node}"
        self._open[key], self._keys[call.id] = (call.id, digest), key
        self._talk.call(
            spec, key=key, digest=digest, node=call.node, round=call.round, ordinal=call.ordinal,
            index=call.index, place=call.place, seed=call.seed, deadline=call.deadline,
        )  # fmt: skip

    def adopt(self, id: int, called: Called, row: CallRow) -> None:
        try:
            payload = self._journal.manifest(called.task)
        except NotFound:
            self._talk.cancel([row.key])
            self._lost.append(Broken(id, "lost", "its task was deleted before it was answered"))
            return
        spec = TaskSpec(action=called.action, payload=payload, config=called.config, alike=called.alike)
        self._open[row.key], self._keys[id] = (id, row.digest), row.key
        self._talk.call(
            spec, key=row.key, digest=row.digest, node=row.node, round=called.round, ordinal=called.ordinal,
            index=row.index, place=row.place, seed=row.seed, deadline=row.deadline,
        )  # fmt: skip

    def wait(self) -> list[Outcome]:
        if self._lost:
            lost, self._lost = self._lost, []
            return lost
        while True:
            ended = [e for e in self._talk.listen(WAIT) if self._is_open(e)]
            if self._talk.stop and self._talk.first_to_stop():
                raise KeyboardInterrupt
            if ended:
                self._objects.fetch(e.outcome.payload for e in ended if isinstance(e.outcome, Good))
                return [self._outcome(e) for e in ended]

    def cancel(self, ids: Iterable[int]) -> set[int]:
        """All that are open are forgotten: what still comes of them, the coordinator records as late."""
        forgotten = {i for i in ids if i in self._keys}
        keys = [self._keys.pop(i) for i in forgotten]
        for key in keys:
            del self._open[key]
        if keys:
            self._talk.cancel(sorted(keys))
        return forgotten

    def close(self) -> None:
        self._open.clear()
        self._keys.clear()

    def _is_open(self, ended: Ended) -> bool:
        found = self._open.get(ended.key)
        return found is not None and found[1] == ended.digest

    def _outcome(self, ended: Ended) -> Outcome:
        call, _ = self._open.pop(ended.key)
        del self._keys[call]
        how = ended.outcome
        if not isinstance(how, Good):
            return Broken(call, how.failure, how.message, how.traceback)
        update = Update(weight=how.weight, metrics=Metrics(metrics_of(how)))
        return Done(call, update, how.seconds, None, partial(self._objects.payload, how.payload, fresh=True))
