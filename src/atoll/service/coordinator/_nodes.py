"""Nodes: what each has in hand, what waits for it, and the orders that answer its polls.

Doesn't know what an answer means. An offer goes to its node again until the node lists it, and to no other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from atoll.service.coordinator._access import Access
from atoll.service.coordinator._books import Books, log
from atoll.service.coordinator._calls import CANCELLED, OPEN, Call
from atoll.service.coordinator._presence import BEAT, Daemon, Presence
from atoll.service.coordinator._queue import Queue
from atoll.service.coordinator._registry import DaemonRecord
from atoll.service.coordinator._run import Run
from atoll.values import AtollError
from atoll.wire import Hello, Manifest, Offer, Orders, Poll, Probe, Welcome

OFFERED = 8 << 20  # bytes of tasks in one answer


class Node(Daemon):
    """A node, and what it is to be told."""

    __slots__ = ("cancel", "drop", "mine", "probes", "queue", "removing")

    def __init__(self, record: DaemonRecord) -> None:
        super().__init__(record)
        self.mine: dict[str, tuple[Run, Call]] = {}  # "<run>/<key>" -> handed over, not answered
        self.queue = Queue()
        self.cancel: dict[str, None] = {}
        self.drop: dict[str, None] = {}
        self.probes: list[Probe] = []
        self.removing: dict[str, float] = {}  # runs to forget: when it was told


class Nodes:
    """All nodes, and handing calls out to them.

    Runs know nodes by their names in the run's federation; daemons have names of their own, the ids of their keys where
    there are keys. Only `find` and `name_in` lead from the one to the other.
    """

    def __init__(self, books: Books, access: Access | None = None) -> None:
        self._books, self._clock, self._access = books, books.clock, access or Access()
        self.presence: Presence[Node] = Presence(books, "node", Node)
        self.presence.went, self.presence.came = self._went, self._came
        self.lost: Callable[[Run, Call], None] = lambda run, call: None
        if self._access.rosters is not None:
            self._access.rosters.changed.append(self._changed)
        self.offers = 0

    @property
    def by_name(self) -> dict[str, Node]:
        return self.presence.by_name

    def find(self, federation: str, name: str) -> Node | None:
        """The daemon that is a federation's node of that name, if it ever came."""
        return self.by_name.get(self._access.node(federation, name))

    def name_in(self, federation: str, node: Node) -> str:
        """What a daemon is called in a federation; "" when it is no node of it."""
        return self._access.name(federation, node.name)

    def here(self, federation: str, name: str) -> bool:
        """Whether a federation's node was heard of lately."""
        node = self.find(federation, name)
        return node is not None and self.presence.here(node)

    # -- what nodes ask ----------------------------------------------------------------------------------------

    async def hello(self, hello: Hello) -> Welcome:
        """A node begins a session. What it has in hand it tells with its first poll."""
        new = hello.name not in self.by_name
        welcome = await self.presence.hello(hello)
        node = self.by_name[hello.name]
        node.removing.clear()
        if new or self._access.identified:
            self._hand_over(node)
        return welcome

    async def poll(self, poll: Poll) -> Orders:
        """What a node is to do: at once when there is something, else within `poll.wait` seconds."""
        node = self.presence.known(poll.name, poll.session)
        if gone := set(poll.removed) & set(node.record.remove):
            self.presence.change(node, remove=[run for run in node.record.remove if run not in gone])
        done = self._compare(node, poll.have)
        node.free = min(poll.free + done, max(0, node.record.slots - len(node.mine)))
        orders = await self.presence.wait(node, poll.wait, lambda: self._orders(node))
        return orders or Orders()

    # -- what others want of nodes -----------------------------------------------------------------------------

    def hand_out(self, run: Run, calls: Iterable[Call]) -> None:
        """Offer open calls to their nodes, each in its turn."""
        for call in calls:
            if call.state != OPEN:
                continue
            node = self.find(run.federation, call.node)
            call.handed = False
            if node is None:  # it gets them when it comes, if it may
                if self._has_left(run, call):
                    self.lost(run, call)
                continue
            node.queue.put(run, call)
            if node.free > 0:
                node.wake()

    def withdraw(self, run: Run, calls: Iterable[Call]) -> None:
        """These are not wanted any more."""
        for call in calls:
            node = self.find(run.federation, call.node)
            full = f"{run.id}/{call.key}"
            if node is not None and node.mine.pop(full, None) is not None:
                node.cancel[full] = None
                node.wake()

    def settled(self, run: Run, call: Call) -> None:
        """A node answered: it has room for another call."""
        node = self.find(run.federation, call.node)
        if node is not None and node.mine.pop(f"{run.id}/{call.key}", None) is not None:
            node.free = max(0, min(node.free + 1, node.record.slots - len(node.mine)))
            if node.waiting is not None and len(node.queue):
                node.wake()

    def ended(self, run: Run) -> None:
        """A run is over: its workers may go."""
        for name in run.spec.nodes:
            node = self.find(run.federation, name)
            if node is not None:
                node.queue.leave(run)
                node.drop[run.id] = None
                node.wake()

    def removed(self, run: str, federation: str, nodes: Iterable[str]) -> None:
        """A run was removed: nodes forget what they remember of it."""
        for name in nodes:
            node = self.find(federation, name)
            if node is not None:
                self.presence.change(node, remove=[*node.record.remove, run])
                node.wake()

    def probe(self, node: Node, probe: Probe) -> None:
        """Have a node make a preflight."""
        node.probes.append(probe)
        node.wake()

    def reloaded(self, before: Run, after: Run) -> None:
        """A run was built anew from its journal: its calls are others now, and nodes still have what they had."""
        waiting = []
        for node in self.by_name.values():
            node.queue.leave(before)
            node.mine = {full: pair for full, pair in node.mine.items() if pair[0] is not before}
        for call in after.calls.open():
            old = before.calls.by_key.get(call.key)
            node_of = self.find(after.federation, call.node)
            if old is not None and old.handed and node_of is not None and old.digest == call.digest:
                node_of.mine[f"{after.id}/{call.key}"] = (after, call)
            else:
                waiting.append(call)
        self.hand_out(after, waiting)

    # -- inside ------------------------------------------------------------------------------------------------

    def _compare(self, node: Node, have: dict[str, str]) -> int:
        """What it has in hand against what it was given: an offer that did not reach it is made again.

        Returns how many of them are answered by now: the answer has overtaken this, and there is room for as many more.
        """
        done = 0
        for full, (run, call) in list(node.mine.items()):
            if call.state != OPEN:
                del node.mine[full]
            elif have.get(full) != call.digest:
                del node.mine[full]
                call.handed = False
                node.queue.put(run, call, first=True)
        for full, digest in have.items():
            if full in node.mine:
                continue
            name, _, key = full.partition("/")
            run_of = self._books.runs.get(name)
            held = run_of.calls.by_key.get(key) if run_of is not None else None
            if run_of is None or held is None or held.digest != digest or not self._is_of(run_of, held, node):
                if not self._is_late(run_of, key, digest):
                    node.cancel[full] = None
            elif held.state == OPEN:
                held.handed = True
                node.mine[full] = (run_of, held)
            elif held.state == CANCELLED:
                held.handed = True
            else:
                done += 1
        return done

    def _is_late(self, run: Run | None, key: str, digest: str) -> bool:
        """Whether its answer is still to be recorded, as a late one; the node was told that it isn't wanted."""
        late = run.calls.late.get(key) if run is not None else None
        return late is not None and late.digest == digest

    def _orders(self, node: Node) -> Orders | None:
        offers: list[Offer] = []
        size = 0
        while node.free > 0 and size < OFFERED and (found := node.queue.next()) is not None:
            run, call = found
            offer = self._offer(run, call) if self._is_of(run, call, node) else None
            if offer is None:
                continue
            call.handed = True
            node.mine[f"{run.id}/{call.key}"] = (run, call)
            node.free -= 1
            size += len(offer.task.inline) + len(offer.task.plain)
            offers.append(offer)
        remove = self._to_remove(node)
        if not (offers or node.cancel or node.drop or node.probes or remove):
            return None
        self.offers += len(offers)
        orders = Orders(offers=offers, cancel=list(node.cancel), drop=list(node.drop), remove=remove,
                        probes=node.probes)  # fmt: skip
        node.cancel, node.drop, node.probes = {}, {}, []
        return orders

    def _to_remove(self, node: Node) -> list[str]:
        """Runs that it is to forget: told until it says that it has, once a beat."""
        now = self._clock.monotonic()
        told = node.removing = {run: at for run, at in node.removing.items() if run in node.record.remove}
        due = [run for run in node.record.remove if told.get(run, -BEAT) + BEAT <= now]
        told.update(dict.fromkeys(due, now))
        return due

    def _offer(self, run: Run, call: Call) -> Offer | None:
        try:
            task: Manifest = self._books.task(run, call.task)
        except AtollError:
            log.exception("the task of call %s of run %s can't be read", call.key, run.id)
            return None
        left = None
        if call.due is not None:
            left = max(0.0, call.due - self._clock.monotonic())
        return Offer(
            run=run.id, key=call.key, digest=call.digest, seq=call.seq, action=call.action, task=task, config=call.config,
            alike=call.alike, round=call.round, ordinal=call.ordinal, seed=call.seed, state_after=call.state_after,
            deadline=left, wants=run.spec,
        )  # fmt: skip

    def _runs_of(self, node: Node) -> set[Run]:
        found = {run for run, _ in node.mine.values()}
        return found | {
            r for r in self._books.runs.values() if any(self._is_of(r, c, node) for c in r.calls.open())
        }

    def _is_of(self, run: Run, call: Call, node: Node) -> bool:
        """Whether a call is for a node, and still is: it may have left the federation."""
        return call.node == self.name_in(run.federation, node)

    def _has_left(self, run: Run, call: Call) -> bool:
        """Whether nobody is the call's node any more; where there are no rosters, that is never known."""
        return self._access.identified and not self._access.node(run.federation, call.node)

    def _changed(self, id: str) -> None:
        """A key lost something: what waits for a node that is none any more can't be answered."""
        for run in list(self._books.runs.values()) if id in self.by_name else ():
            for call in list(run.calls.open()) if run.live else ():
                if self._has_left(run, call):
                    self.lost(run, call)

    def _hand_over(self, node: Node) -> None:
        """What waits for a daemon that comes for the first time, or had another key, or was no node for a while."""
        for run in self._books.runs.values():
            name = self.name_in(run.federation, node) if run.live else ""
            for call in run.calls.open() if name else ():
                if call.node == name and f"{run.id}/{call.key}" not in node.mine:
                    call.handed = False
                    node.queue.put(run, call)

    def _went(self, node: Node) -> None:
        log.info("node %s is away", node.name)
        for run in self._runs_of(node):
            self._books.say(
                run, "warning", "away; its calls wait for it", node=self.name_in(run.federation, node)
            )

    def _came(self, node: Node) -> None:
        log.info("node %s is here", node.name)
