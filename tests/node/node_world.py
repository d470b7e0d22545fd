"""A coordinator and workers that are fakes: they keep the promises of the real ones, and can be told to break."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from atoll.service.node._home import Home
from atoll.service.node._link import Link
from atoll.service.node._node import Node
from atoll.service.node._settings import NodeSettings
from atoll.service.workshop import Did, Failed, Ready, Said, Unfit
from atoll.store import digest_bytes
from atoll.values import AtollError
from atoll.wire import (
    Address,
    Answer,
    Bad,
    Good,
    Line,
    Manifest,
    Needs,
    Offer,
    Order,
    Orders,
    Probe,
    Problem,
    Refused,
    RunSpec,
    Unreachable,
    Verdict,
    Welcome,
)

BUNDLE = "sha256:" + "0" * 64


def spec(run: str = "r", **needs: Any) -> RunSpec:
    return RunSpec(run=run, name=run, federation="f", bundle=BUNDLE, needs=Needs(**needs))


def offer(key: str = "1.0.0.n", *, run: str = "r", seq: int = 1, **fields: Any) -> Offer:
    """A call; its digest tells what its task is."""
    digest = digest_bytes(f"{run} {key} {fields.pop('what', '')}".encode())
    known = {"round": 1, "ordinal": 0, "action": "train", "task": Manifest(), "wants": spec(run), "seed": 0}
    return Offer(run=run, key=key, digest=digest, seq=seq, **{**known, **fields})


def did(offer: Offer, **fields: Any) -> Did:
    known = {"weight": 1.0, "metrics": {}, "seconds": 0.0, "payload": Manifest(), "files": {}, "state": None}
    return Did(key=offer.key, **{**known, **fields})


class World:
    """The coordinator. `away` until `back`; everything that it accepted is in `accepted`, in order."""

    name = "n"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.changed = threading.Condition()
        self.open: dict[str, Offer] = {}
        self.orders: list[Orders] = []
        self.accepted: list[Answer] = []
        self.replies = 0
        self.said: list[Line] = []
        self.probes: dict[str, list[Problem]] = {}
        self.objects: dict[str, bytes] = {}
        self.pulled: list[str] = []
        self.polls: list[tuple[dict[str, str], int]] = [({}, 0)]
        self.removed: list[list[str]] = []  # as each poll said
        self.marks: list[Order] = []
        self.session = 0
        self.away = False
        self.skew = 0.0
        self.beat = 0.2
        self.refuse: Callable[[str], None] = lambda what: None
        self.verdict: Callable[[Answer], Verdict | None] = lambda answer: None

    # -- what tests do ----------------------------------------------------------------------------------------

    def ask(self, *offers: Offer) -> None:
        with self.changed:
            self.open.update({f"{o.run}/{o.key}": o for o in offers})
            self.changed.notify_all()

    def order(self, **orders: Any) -> None:
        with self.changed:
            self.orders.append(Orders(**orders))
            self.changed.notify_all()

    def until(self, true: Callable[[], Any], seconds: float = 10.0) -> Any:
        """Wait until something is true of what the coordinator knows."""
        with self.changed:
            assert self.changed.wait_for(true, seconds), "it did not come to that"
            return true()

    def answers(self, count: int = 1) -> list[Good | Bad]:
        self.until(lambda: len(self.accepted) >= count)
        return [a.outcome for a in self.accepted]

    def leave(self) -> None:
        with self.changed:
            self.away = True
            self.changed.notify_all()

    def back(self) -> None:
        with self.changed:
            self.away = False


class Connection:
    """The coordinator as one daemon sees it."""

    name = "n"

    def __init__(self, world: World) -> None:
        self.world, self.session, self.cut = world, 0, False

    def hello(self, resources: dict[str, float], data: list[str]) -> Welcome:
        self._request("hello", fenced=False)
        with self.world.changed:
            self.world.session += 1
            self.session = self.world.session
            return Welcome(session=self.session, time=time.time() + self.world.skew, beat=self.world.beat)

    def poll(
        self,
        have: dict[str, str],
        free: int,
        wait: float,
        removed: Sequence[str] = (),
        mark: Order | None = None,
    ) -> Orders:
        self._request("poll")
        self.world.marks += [mark] if mark else []
        world, ends = self.world, time.monotonic() + wait
        with world.changed:
            world.polls.append((have, free))
            world.removed.append(list(removed))
            world.changed.notify_all()
            while not (found := self._found(have)) and (left := ends - time.monotonic()) > 0:
                world.changed.wait(left)
                self._check("poll")
            return found or Orders()

    def reply(self, answer: Answer) -> Verdict:
        self._request("reply")
        world = self.world
        with world.changed:
            world.replies += 1
            verdict = world.verdict(answer)
            if verdict is None:
                verdict = self._accept(answer)
            world.changed.notify_all()
        world.refuse("reply-accepted")  # on its way back
        return verdict

    def lines(self, lines: list[Line]) -> None:
        self._request("lines")
        with self.world.changed:
            self.world.said += lines
            self.world.changed.notify_all()

    def probed(self, probe: str, problems: list[Problem], versions: dict[str, str], data: list[str]) -> None:
        with self.world.changed:
            self.world.probes[probe] = problems
            self.world.changed.notify_all()

    def pull(self, federation: str, objects: Mapping[str, int], store: Any) -> None:
        self._request("pull")
        for digest in set(objects) - store.has(objects):
            store.put(digest, self.world.objects[digest])
            self.world.pulled.append(digest)

    def push(self, federation: str, blobs: Mapping[str, Path]) -> None:
        self._request("push")
        for digest, path in blobs.items():
            self.world.objects[digest] = path.read_bytes()

    def close(self) -> None:
        with self.world.changed:
            self.cut = True
            self.world.changed.notify_all()

    def _request(self, what: str, *, fenced: bool = True) -> None:
        self._check(what)
        self.world.refuse(what)
        self._check(what)
        if fenced and self.session != self.world.session:
            raise refused(409, "node.fenced")

    def _check(self, what: str) -> None:
        if self.world.away or self.cut:
            raise Unreachable("wire.unreachable", f"nobody answers {what}", "wait")

    def _accept(self, answer: Answer) -> Verdict:
        world, id = self.world, f"{answer.run}/{answer.key}"
        known = next(
            (a for a in world.accepted if (a.run, a.key, a.call) == (answer.run, answer.key, answer.call)),
            None,
        )
        if known is not None:
            return Verdict(status="accepted" if known.digest == answer.digest else "refused")
        if id not in world.open or world.open[id].digest != answer.call:
            return Verdict(status="void")
        del world.open[id]
        world.accepted.append(answer)
        return Verdict(status="accepted")

    def _found(self, have: dict[str, str]) -> Orders | None:
        if self.world.orders:
            return self.world.orders.pop(0)
        new = [o for id, o in self.world.open.items() if have.get(id) != o.digest]
        return Orders(offers=new) if new else None


def refused(status: int, code: str) -> Refused:
    error = Refused(code, "refused", "")
    error.status = status
    return error


class Death(Exception):
    """What a worker's function raises to die by a signal."""


class Worker:
    """A worker whose client function is one of the test's."""

    def __init__(
        self,
        do: Callable[..., Any],
        hear: Callable[[Any, Any], None],
        spool: Path,
        pid: int,
        variables: Mapping[str, str],
    ) -> None:
        self._do, self._hear, self.spool, self.pid, self.variables = do, hear, spool, pid, variables
        self.inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.ended = threading.Event()
        self.last: Callable[[], Any] = lambda: None  # what it does before its process is gone
        self.begin = threading.Thread(target=self._run, daemon=True).start

    def give(self, offer: Offer, state: Path | None) -> None:
        self.inbox.put((offer, state))

    def end(self, kill: bool = False) -> None:
        self.ended.set()
        self.inbox.put(None)

    def how_it_ended(self) -> str:
        return "signal SIGKILL"

    def say(self, level: str, text: str, round: int | None = None) -> None:
        self._hear(self, Said(level, text, round))

    def _run(self) -> None:
        try:
            self._hear(self, self._do(None, None, self) or Ready())
            while not self.ended.is_set() and (work := self.inbox.get()) is not None:
                self._hear(self, self._do(*work, self) or did(work[0]))
        except Death:
            pass
        self.last()
        self._hear(self, None)


class Launcher:
    def __init__(self, do: Callable[..., Any], folder: Path) -> None:
        self._do, self._folder, self.workers = do, folder, []  # type: ignore[var-annotated]

    def launch(
        self,
        spec: RunSpec,
        hear: Callable[[Any, Any], None],
        *,
        variables: Mapping[str, str],
        check: bool = False,
    ) -> Worker:
        spool = self._folder / f"{spec.run}.{len(self.workers)}"
        spool.mkdir(parents=True, exist_ok=True)
        worker = Worker(self._do, hear, spool, len(self.workers), variables)
        worker.run = spec.run
        self.workers.append(worker)
        worker.begin()
        return worker

    def be_ready(self) -> None:
        pass

    def close(self) -> None:
        pass


class Daemon:
    """A node beside a world. `do(offer, state, worker)` is what its workers do; it is called with None when one starts."""

    def __init__(
        self, world: World, do: Callable[..., Any] | None = None, *, guard: Any = None, **settings: Any
    ) -> None:
        self.world, self.warned, self.fatal = world, [], []  # type: ignore[var-annotated]
        known = {
            "coordinator": Address(url="http://there"),
            "name": "n",
            "home": str(world.folder / "home"),
            "grace": 0.0,
        }
        self.settings = NodeSettings(**{**known, **settings})
        self.home = Home(Path(self.settings.home))
        self.connection = Connection(world)
        self.launcher = Launcher(do or (lambda offer, state, worker: None), self.home.spool)
        self.node = Node(self.settings, self.home, self.connection, self.launcher, self.warned.append, guard)  # type: ignore[arg-type]
        self.link = Link(
            self.connection, self.node, self.node.weather, resources={}, data=[],  # type: ignore[arg-type]
            welcome=lambda _: self.node.welcome(), warn=self.warned.append,
        )  # fmt: skip
        self._running = threading.Thread(target=self._run, daemon=True)
        self._running.start()

    def crash(self) -> None:
        """As a kill does: nothing is said any more, and the home is free."""
        self.connection.close()
        self.node.weather.close()
        self.home.close()

    def end(self, grace: float = 0.0) -> None:
        self.node.close(grace)
        self._running.join(5)
        self.home.close()

    def _run(self) -> None:
        try:
            self.link.run()
        except AtollError as error:
            self.fatal.append(error)


def probe(id: str = "p", of: RunSpec | None = None) -> Probe:
    return Probe(id=id, spec=of or spec())


__all__ = ["Daemon", "Death", "Failed", "Unfit", "World", "did", "offer", "probe", "refused", "spec"]
