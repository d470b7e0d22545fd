"""A desk with everything around it played: nodes, a host, a program, and a clock that the test moves."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from atoll.journal import Committed, Event, Finished, Logged, Offered, SqliteJournal, Started, decode, encode
from atoll.service.coordinator._desk import Desk
from atoll.store import MemoryStore, Store, digest_bytes
from atoll.wire import (
    Answer,
    Attend,
    Bad,
    CallSpec,
    Good,
    Heard,
    Hello,
    HostOrders,
    HostPoll,
    Manifest,
    NewRun,
    Offer,
    Orders,
    Poll,
    RunEnded,
    RunInfo,
    Say,
    TaskSpec,
    Verdict,
    digest_of,
)


class FakeTimer:
    def __init__(self, then: Callable[[], None]) -> None:
        self.then: Callable[[], None] | None = then

    def cancel(self) -> None:
        self.then = None


class FakeClock:
    """Time stands still until it is moved."""

    def __init__(self) -> None:
        self.now, self.offset = 1000.0, 1_700_000_000.0
        self._numbers = itertools.count()
        self._timers: list[tuple[float, int, FakeTimer]] = []

    def time(self) -> float:
        return self.offset + self.now

    def monotonic(self) -> float:
        return self.now

    def call_later(self, seconds: float, then: Callable[[], None]) -> FakeTimer:
        timer = FakeTimer(then)
        heapq.heappush(self._timers, (self.now + seconds, next(self._numbers), timer))
        return timer

    async def move(self, seconds: float) -> None:
        until = self.now + seconds
        while self._timers and self._timers[0][0] <= until:
            at, _, timer = heapq.heappop(self._timers)
            self.now = max(self.now, at)
            if timer.then is not None:
                timer.then()
                await settle()
        self.now = until
        await settle()


async def settle() -> None:
    """Let everything that can go on do so; the journal's thread is waited for by `World.durable`."""
    for _ in range(20):
        await asyncio.sleep(0)


class FakeNode:
    """A node that keeps what it is offered, and answers when the test says so."""

    def __init__(self, world: World, name: str, *, slots: int = 1) -> None:
        self.world, self.name, self.slots = world, name, slots
        self.identity = f"identity-of-{name}-0123456789"
        self.session = 0
        self.hand: dict[str, Offer] = {}
        self.unsent: dict[str, Answer] = {}
        self.cancelled: list[str] = []
        self.dropped: list[str] = []
        self.removed: list[str] = []

    async def hello(self, *, time: float | None = None) -> None:
        at = self.world.clock.time() if time is None else time
        hello = Hello(name=self.name, identity=self.identity, version="0", time=at, slots=self.slots)
        self.session = (await self.world.desk.hello(hello)).session

    async def poll(self, wait: float = 0.0, *, free: int | None = None) -> Orders:
        have = {f"{o.run}/{o.key}": o.digest for o in self.hand.values()}
        have |= {f"{a.run}/{a.key}": a.call for a in self.unsent.values()}
        room = max(0, self.slots - len(self.hand)) if free is None else free
        orders = await self.world.desk.poll(
            Poll(name=self.name, session=self.session, have=have, free=room, wait=wait)
        )
        self.hand |= {f"{o.run}/{o.key}": o for o in orders.offers}
        self.cancelled += orders.cancel
        self.dropped += orders.drop
        self.removed += orders.remove
        return orders

    def answer(self, offer: Offer, outcome: Good | Bad | None = None) -> Answer:
        outcome = outcome or good(f"{offer.key} by {self.name}")
        return Answer(name=self.name, session=self.session, run=offer.run, key=offer.key, call=offer.digest,
                      digest=digest_of(outcome), outcome=outcome)  # fmt: skip

    async def reply(self, offer: Offer, outcome: Good | Bad | None = None) -> Verdict:
        answer = self.answer(offer, outcome)
        full = f"{offer.run}/{offer.key}"
        self.hand.pop(full, None)
        self.unsent[full] = answer
        verdict = await self.world.desk.reply(answer)
        if verdict.status != "refused":
            self.unsent.pop(full)
        return verdict

    async def work(self) -> list[Verdict]:
        """Take what there is, and answer all of it."""
        await self.poll()
        return [await self.reply(offer) for offer in list(self.hand.values())]


def good(
    text: str = "", *, weight: float = 1.0, changed: bool = False, objects: dict[str, int] | None = None
) -> Good:
    payload = Manifest(plain=text.encode(), objects=objects or {})
    return Good(weight=weight, metrics={"loss": 0.5}, seconds=1.0, payload=payload, state_changed=changed)


class FakeProgram:
    """A server app: one lease, requests in order."""

    def __init__(self, world: World, run: str) -> None:
        self.world, self.run = world, run
        self.fence = self.at = 0
        self.heard: list[str] = []
        self.last: Say | None = None
        self.outcomes: dict[str, Any] = {}

    async def attend(self) -> None:
        self.fence, self.at = (await self.world.desk.attend(self.run, Attend())).fence, 0
        self.heard, self.outcomes = [], {}

    async def say(self, *events: Event, calls: list[CallSpec] | None = None, tasks: list[TaskSpec] | None = None,
                  cancel: list[str] | None = None, objects: dict[str, Manifest] | None = None,
                  drop: list[str] | None = None, wait: float = 0.0) -> Heard:  # fmt: skip
        told = bool(events or calls or cancel or objects or drop)
        self.at += told
        heard, self.heard = self.heard, []
        self.last = Say(fence=self.fence, at=self.at, events=[encode(e) for e in events], calls=calls or [],
                        tasks=tasks or [], cancel=cancel or [], objects=objects or {}, drop=drop or [], heard=heard,
                        wait=wait)  # fmt: skip
        return self.take(await self.world.desk.say(self.run, self.last))

    async def again(self) -> Heard:
        """The last request once more, as after a broken connection."""
        assert self.last is not None
        return self.take(await self.world.desk.say(self.run, self.last))

    def take(self, heard: Heard) -> Heard:
        for outcome in heard.outcomes:
            self.outcomes[outcome.key] = outcome
            self.heard.append(outcome.key)
        return heard

    async def ask(self, *nodes: str, round: int = 1, ordinal: int = 0, task: str = "task", wait: float = 0.0,
                  deadline: float | None = None, place: int = 0, cancel: list[str] | None = None,
                  objects: dict[str, int] | None = None) -> Heard:  # fmt: skip
        """Offer one task to nodes."""
        spec = TaskSpec(action="train", payload=Manifest(plain=task.encode(), objects=objects or {}))
        digest = digest_bytes(task.encode())
        at = self.world.clock.time()
        offered = Offered(
            time=at, round=round, ordinal=ordinal, action="train", digest=digest, cohort=list(nodes)
        )
        calls = [
            CallSpec(key=f"{round}.{ordinal}.{place}.{n}", digest=digest, node=n, task=0, round=round, ordinal=ordinal,
                     index=i, place=place, seed=7, deadline=deadline)
            for i, n in enumerate(nodes)
        ]  # fmt: skip
        return await self.say(offered, calls=calls, tasks=[spec], wait=wait, cancel=cancel)

    async def commit(self, round: int, **fields: Any) -> Heard:
        return await self.say(
            Committed(time=self.world.clock.time(), round=round, total=3, state={}, **fields)
        )

    async def finish(self, status: str = "finished") -> Heard:
        return await self.say(Finished(time=self.world.clock.time(), status=status))

    async def log(self, message: str) -> Heard:
        return await self.say(Logged(time=self.world.clock.time(), message=message))

    async def start(self, attempt: int = 1) -> Heard:
        return await self.say(Started(time=self.world.clock.time(), attempt=attempt, pid=1))


class FakeHost:
    def __init__(self, world: World, name: str = "host", *, slots: int = 2) -> None:
        self.world, self.name, self.slots = world, name, slots
        self.session = 0
        self.running: list[str] = []
        self.since: dict[str, int] = {}

    async def hello(self) -> None:
        hello = Hello(
            name=self.name,
            identity=f"identity-of-{self.name}-012345",
            version="0",
            time=self.world.clock.time(),
        )
        self.session = (await self.world.desk.host_hello(hello)).session

    async def poll(self, wait: float = 0.0) -> HostOrders:
        free = self.slots - len(self.running)
        orders = await self.world.desk.host_poll(
            HostPoll(name=self.name, session=self.session, running=self.running, free=free, wait=wait)
        )
        self.running += [s.run for s in orders.start if s.run not in self.running]
        self.since.update({s.run: s.since for s in orders.start})
        return orders

    async def ended(self, run: str, *, code: int = -9) -> None:
        if run in self.running:
            self.running.remove(run)
        await self.world.desk.host_ended(
            RunEnded(
                name=self.name,
                session=self.session,
                run=run,
                how=f"exit {code}",
                code=code,
                output="last words",
                since=self.since[run],
            )
        )


class World:
    """A coordinator's home, and the desk in it, which can be killed and started again."""

    def __init__(self, home: Path, store: Store | None = None) -> None:
        self.home = home
        self.clock = FakeClock()
        self.store = store or MemoryStore()
        self.bundle = self.keep(b"a bundle")

    def keep(self, body: bytes) -> str:
        digest = digest_bytes(body)
        self.store.put(digest, body)
        return digest

    async def start(self) -> None:
        self.journal = SqliteJournal(self.home)
        self.desk = Desk(self.home, self.journal, self.store, clock=self.clock)
        await self.desk.start()

    async def crash(self) -> None:
        """Begin again with what is on disk alone."""
        for run in self.desk._books.runs.values():
            if run.hold is not None:
                run.hold.release()
        self.desk.tidying.abandon()
        self.desk._books.registry.close()
        self.desk._books.audit.abandon()
        self.journal.close()
        self.clock._timers.clear()
        await self.start()

    async def close(self) -> None:
        await self.desk.close()
        self.journal.close()

    async def nodes(self, *names: str, slots: int = 1) -> list[FakeNode]:
        found = [FakeNode(self, name, slots=slots) for name in names]
        for node in found:
            await node.hello()
        return found

    async def new_run(self, name: str = "", *, user: str = "", **fields: Any) -> RunInfo:
        defaults: dict[str, Any] = {
            "federation": "default",
            "bundle": self.bundle,
            "app": {"name": "app"},
            "name": name,
        }
        return await self.desk.new_run(NewRun(**{**defaults, **fields}), user)

    async def program(self, name: str = "", **fields: Any) -> FakeProgram:
        info = await self.new_run(name, **fields)
        program = FakeProgram(self, info.summary["id"])
        await program.attend()
        await program.start()
        return program

    def events(self, run: str, kind: type[Any] | None = None) -> list[Any]:
        found = [decode(body) for _, body in self.journal.encoded(run)]
        return [e for e in found if kind is None or isinstance(e, kind)]
