"""The coordinator's real desk on a thread of its own, with nodes that are played: the wire between is a function call."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from atoll.app import Bench, Call, ClientApp, Done, Task, perform
from atoll.journal import Event, SqliteJournal, decode
from atoll.service.coordinator._desk import Desk
from atoll.store import DirectoryStore, digest_bytes
from atoll.values import Config
from atoll.wire import Answer, Bad, Good, Hello, NewRun, Offer, Poll, Say, digest_of, join, split


class Cut(BaseException):
    """A power cut: the program is gone until another attends."""


class Town:
    """A coordinator, some nodes that do what `client` says, and one run."""

    def __init__(
        self,
        home: Path,
        client: ClientApp,
        *,
        nodes: int = 4,
        seed: int = 5,
        bundle: bytes = b"bundle",
        **new: Any,
    ) -> None:
        self.home, self.client, self.names = home, client, [f"node-{i}" for i in range(nodes)]
        self.states: dict[str, dict[int, Mapping[str, Any]]] = {n: {0: {}} for n in self.names}
        self.performed: list[str] = []
        self.said = 0
        self.cut = False
        self.before: Callable[[Say], None] = lambda say: None
        self.after: Callable[[Say], None] = lambda say: None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._do(self._begin(bundle, {"app": {"name": "app"}, "seed": seed, "where": "here", **new}))

    def close(self) -> None:
        for task in self._nodes:
            self._loop.call_soon_threadsafe(task.cancel)
        self._do(self.desk.close())
        self.journal.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def events(self) -> list[Event]:
        found, after = [], 0
        while batch := self._do(self.desk.events(self.run, after)).events:
            found += [decode(body) for _, body in batch]
            after = batch[-1][0]
        return found

    # -- the wire ------------------------------------------------------------------------------------------

    def call(self, method: str, path: str, body: Any, answer: type[Any], *, wait: float = 0) -> Any:
        _, _, _, run, verb = urlsplit(path).path.split("/")
        query = parse_qs(urlsplit(path).query)
        if verb == "attend":
            self.cut = False
        elif self.cut:
            raise Cut
        if verb == "say":
            self.said += 1
            self.before(body)
        if body is not None:
            body = msgspec.json.decode(msgspec.json.encode(body), type=type(body))
        if verb == "events":
            found = self._do(self.desk.events(run, int(query["after"][0])))
        elif verb == "shelf":
            found = self._do(self.desk.shelf(run, query["keys"]))
        else:
            found = self._do(getattr(self.desk, verb)(run, body))
        if verb == "say":
            self.after(body)
        return msgspec.json.decode(msgspec.json.encode(found), type=answer)

    def push(self, blobs: Mapping[str, Any]) -> None:
        for digest, body in blobs.items():
            self.store.put(digest, body)

    def pull(self, objects: Mapping[str, int], store: Any) -> None:
        for digest in objects:
            store.put(digest, self.store.open(digest))

    def wish(self, verb: str) -> None:
        self._do(getattr(self.desk, verb)(self.run))

    # -- what is played ------------------------------------------------------------------------------------

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    async def _begin(self, body: bytes, new: dict[str, Any]) -> None:
        self.store, self.journal = DirectoryStore(self.home / "objects"), SqliteJournal(self.home)
        self.desk = Desk(self.home, self.journal, self.store)
        await self.desk.start()
        self.bundle = digest_bytes(body)
        self.store.put(self.bundle, body)
        self._nodes = []
        for name in self.names:
            hello = Hello(name=name, identity=f"identity-of-{name}-0123456789", version="0", time=time.time())
            session = (await self.desk.hello(hello)).session
            self._nodes.append(asyncio.create_task(self._node(name, session)))
        self._new = {"federation": "default", "bundle": self.bundle, "nodes": self.names, **new}
        self.run = (await self.desk.new_run(NewRun(**self._new))).summary["id"]

    async def _node(self, name: str, session: int) -> None:
        while True:
            orders = await self.desk.poll(Poll(name=name, session=session, free=1, wait=5.0))
            for offer in orders.offers:
                outcome = await asyncio.to_thread(self._perform, name, offer)
                answer = Answer(name=name, session=session, run=offer.run, key=offer.key, call=offer.digest,
                                digest=digest_of(outcome), outcome=outcome)  # fmt: skip
                await self.desk.reply(answer)

    def _perform(self, name: str, offer: Offer) -> Good | Bad:
        self.performed.append(f"{offer.key} {offer.digest}")
        task = Task(offer.action, join(offer.task, self.store.open), offer.config, offer.alike)
        state = self.states[name][offer.state_after]
        done = perform(
            self.client, Bench(Config({})), Call(0, name, task, offer.round, offer.ordinal, offer.seed, state)
        )
        if not isinstance(done, Done):
            return Bad(failure=done.kind, message=done.message, traceback=done.traceback)
        manifest, blobs = split(done.update.payload)
        self.push(blobs)
        if done.state is not None:
            self.states[name][offer.seq] = dict(done.state)
        update = done.update
        return Good(weight=update.weight, metrics=update.metrics.plain(), seconds=done.seconds, payload=manifest,
                    state_changed=done.state is not None)  # fmt: skip
