"""A coordinator and its nodes in one object: what a server app's process meets on the wire, without the wire."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from atoll.app import Bench, Call, ClientApp, Done, Task, perform
from atoll.journal import Accepted, Called, CallRow, Created, Event, Failed, Finished, decode, encode
from atoll.store import MemoryStore
from atoll.values import AtollError, Config
from atoll.wire import (
    Attended,
    Bad,
    CallSpec,
    Events,
    Good,
    Heard,
    Manifest,
    Outcome,
    RunSpec,
    Say,
    Shelved,
    TaskSpec,
    digest_of,
    join,
    split,
)


class Cut(BaseException):
    """A power cut: whoever speaks dies, and is not heard until somebody attends anew."""


class Desk:
    """One run. `client` is what its nodes do; `late` nodes answer nothing until `wake`."""

    def __init__(
        self, client: ClientApp, *, nodes: int = 4, seed: int = 5, config: Mapping[str, Any] | None = None
    ) -> None:
        names = [f"node-{i}" for i in range(nodes)]
        self.created = Created(
            time=time.time(), id="run", name="name", app={}, config=dict(config or {}), seed=seed, nodes=names
        )
        self.events: list[Event] = [self.created]
        self.client, self.store = client, MemoryStore()
        self.shelf: dict[str, Manifest] = {}
        self.states: dict[str, dict[str, Any]] = {}
        self.calls: dict[str, CallSpec] = {}
        self.outcomes: dict[str, Outcome] = {}
        self.unheard: deque[Outcome] = deque()
        self.offers: deque[tuple[CallSpec, TaskSpec]] = deque()
        self.asleep: set[str] = set()
        self.said: list[Say] = []
        self.pushed: list[str] = []
        self.performed: list[str] = []
        self.fence, self.at, self.seq = 0, 0, 0
        self.cut = False
        self.stop = False
        self.before: Callable[[Say], None] = lambda say: None  # a test's chance to fail a request
        self.after: Callable[[Say], None] = lambda say: None  # ... or its answer
        self._lock = threading.RLock()

    # -- the wire ------------------------------------------------------------------------------------------

    def call(self, method: str, path: str, body: Any, answer: type[Any], *, wait: float = 0) -> Any:
        with self._lock:
            body = None if body is None else msgspec.json.decode(msgspec.json.encode(body), type=type(body))
            place, query = urlsplit(path).path.rsplit("/", 1)[1], parse_qs(urlsplit(path).query)
            routes = {"attend": self._attend, "events": self._events, "shelf": self._shelf, "say": self._say}
            found = routes[place](body, query)
            return msgspec.json.decode(msgspec.json.encode(found), type=answer)

    def push(self, blobs: Mapping[str, Any]) -> None:
        for digest, body in blobs.items():
            self.pushed.append(digest)
            self.store.put(digest, body)

    def pull(self, objects: Mapping[str, int], store: Any) -> None:
        for digest in objects:
            store.put(digest, self.store.open(digest))

    # -- routes --------------------------------------------------------------------------------------------

    def _attend(self, body: Any, query: Any) -> Attended:
        self.fence, self.at, self.cut = self.fence + 1, 0, False
        self.unheard.clear()
        c = self.created
        spec = RunSpec(
            run=c.id,
            name=c.name,
            federation="f",
            bundle="sha256:" + "0" * 64,
            config=c.config,
            seed=c.seed,
            nodes=c.nodes,
        )
        return Attended(fence=self.fence, spec=spec)

    def _events(self, body: Any, query: Any) -> Events:
        after = int(query["after"][0])
        return Events(events=[(n, encode(e)) for n, e in enumerate(self.events, 1) if n > after][:3])

    def _shelf(self, body: Any, query: Any) -> Shelved:
        return Shelved(objects={k: self.shelf[k] for k in query["keys"] if k in self.shelf})

    def _say(self, say: Say, query: Any) -> Heard:
        if say.fence != self.fence:
            raise AtollError("run.fenced", "not yours any more")
        if self.cut:
            raise Cut
        self.before(say)
        self.said.append(say)
        if say.at > self.at:
            assert say.at == self.at + 1
            self.at = say.at
            self._take(say)
        for key in say.heard:
            self.unheard = deque(o for o in self.unheard if o.key != key)
        self.after(say)
        while self.offers and (len(self.unheard) < 2 or not say.wait):
            if not say.wait:
                break
            self._perform(*self.offers.popleft())
        return Heard(at=self.at, outcomes=list(self.unheard), stop=self.stop)

    # -- what it does --------------------------------------------------------------------------------------

    def _take(self, say: Say) -> None:
        self.shelf.update(say.objects)
        for key in say.drop:
            self.shelf.pop(key, None)
        for event in map(decode, say.events):
            late = isinstance(event, Failed) and event.failure == "late"
            assert late or not isinstance(event, Accepted | Failed), "these are the coordinator's to say"
            self.events.append(event)
            if isinstance(event, Finished) and event.status == "failed":
                self.outcomes = {k: o for k, o in self.outcomes.items() if isinstance(o.outcome, Good)}
        for key in say.cancel:
            self.offers = deque(o for o in self.offers if o[0].key != key)
        for call in say.calls:
            old = self.calls.get(call.key)
            if old is not None and old.digest == call.digest:
                if call.key in self.outcomes:
                    self.unheard.append(self.outcomes[call.key])
                    continue
                if any(o[0].key == call.key for o in self.offers):
                    continue
            self.calls[call.key] = call
            self.outcomes.pop(call.key, None)
            self._call(call, say.tasks[call.task])
            if call.node not in self.asleep:
                self.offers.append((call, say.tasks[call.task]))

    def _call(self, call: CallSpec, spec: TaskSpec) -> None:
        self.seq += 1
        row = CallRow(
            call.key, call.digest, call.node, call.index, call.place, call.seed, self.seq, call.deadline
        )
        key = f"task-{digest_of(spec.payload).replace(':', '-')}"
        self.shelf[key] = spec.payload
        self.events.append(Called(time=time.time(), round=call.round, ordinal=call.ordinal, action=spec.action, task=key,
                                  config=spec.config, alike=spec.alike, calls=[row]))  # fmt: skip

    def _perform(self, call: CallSpec, spec: TaskSpec) -> None:
        self.performed.append(call.key)
        task = Task(spec.action, join(spec.payload, self.store.open), spec.config, spec.alike)
        bench = Bench(Config(self.created.config))
        state = self.states.get(call.node, {})
        done = perform(
            self.client, bench, Call(0, call.node, task, call.round, call.ordinal, call.seed, state)
        )
        place = {
            "round": call.round,
            "ordinal": call.ordinal,
            "index": call.index,
            "node": call.node,
            "action": task.action,
        }
        if isinstance(done, Done):
            manifest, blobs = split(done.update.payload)
            for digest, blob in blobs.items():
                self.store.put(digest, blob)
            if done.state is not None:
                self.states[call.node] = dict(done.state)
            key = f"reply-{digest_of(manifest).replace(':', '-')}"
            self.shelf[key] = manifest
            self.events.append(Accepted(time=time.time(), **place, weight=done.update.weight, metrics=done.update.metrics.plain(),
                                        seconds=done.seconds, payload=key, key=call.key))  # fmt: skip
            how: Good | Bad = Good(
                weight=done.update.weight,
                metrics=done.update.metrics.plain(),
                seconds=done.seconds,
                payload=manifest,
            )
        else:
            self.events.append(
                Failed(
                    time=time.time(),
                    **place,
                    failure=done.kind,
                    message=done.message,
                    traceback=done.traceback,
                )
            )
            how = Bad(failure=done.kind, message=done.message, traceback=done.traceback)
        outcome = self.outcomes[call.key] = Outcome(
            key=call.key, digest=call.digest, node=call.node, outcome=how
        )
        self.unheard.append(outcome)
