"""The desk: one method for each request that comes, over the rooms behind it.

Doesn't know HTTP. It lives on the event loop; what it writes goes through the journal's thread and the registry's.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path

from atoll.journal import Ledger
from atoll.service.coordinator._books import Books, log
from atoll.service.coordinator._checks import Checks
from atoll.service.coordinator._clock import Clock, SystemClock, Timer
from atoll.service.coordinator._federations import Federations
from atoll.service.coordinator._hearing import Hearing
from atoll.service.coordinator._hosts import Hosts
from atoll.service.coordinator._nodes import Nodes
from atoll.service.coordinator._principals import LOCAL, Principal
from atoll.service.coordinator._programs import Programs
from atoll.service.coordinator._replies import Replies
from atoll.service.coordinator._run import Run
from atoll.service.coordinator._runs import Runs
from atoll.service.coordinator._showing import Showing
from atoll.service.coordinator._sweeping import GRACE
from atoll.store import Store
from atoll.values import AtollError
from atoll.wire import (
    Answer,
    Attend,
    Attended,
    Check,
    Checked,
    Events,
    Federation,
    FederationList,
    Heard,
    Hello,
    HostOrders,
    HostPoll,
    Lack,
    Lacking,
    Lines,
    NewRun,
    NodeList,
    Ok,
    Orders,
    Poll,
    ProbeResult,
    RunEnded,
    RunInfo,
    RunList,
    Say,
    Shelved,
    Verdict,
    Welcome,
)

SWEEP = 300.0  # seconds between two looks for what nobody ever named


class Desk:
    """The coordinator, without its door. Every method raises `Refusal` for what it does not do."""

    def __init__(self, home: Path, journal: Ledger, store: Store, *, clock: Clock | None = None) -> None:
        self._books = books = Books(home, journal, store, clock or SystemClock())
        self._nodes = Nodes(books)
        self._hosts = Hosts(books)
        self._federations = Federations(books, self._nodes)
        self._replies = Replies(books, self._nodes)
        self._hearing = Hearing(books)
        self._programs = Programs(books, self._nodes, self._replies, self._hearing)
        self._showing = Showing(books, self._nodes, self._hosts)
        self._runs = Runs(books, self._nodes, self._hosts, self._federations, self._replies, self._showing)
        self._checks = Checks(books, self._nodes, self._federations)
        self._hosts.end, self._programs.finished = self._runs.end, self._runs.finished
        books.reloaded = self._reloaded
        self._marking: asyncio.Future[None] | None = None
        self._timer: Timer | None = None

    async def start(self) -> None:
        """Take up all runs that have not ended."""
        await self._books.registry.durable()
        self._runs.restore()
        self._marking = asyncio.create_task(self._mark())

    async def close(self) -> None:
        """Answer whoever waits, and write what is to be written."""
        self.drain()
        if self._timer is not None:
            self._timer.cancel()
        if self._marking is not None:
            self._marking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._marking
        with contextlib.suppress(AtollError):
            await self._books.durable()
            await self._books.registry.durable()
        for run in self._books.runs.values():
            if run.hold is not None:
                run.hold.release()
        self._books.registry.close()

    def drain(self) -> None:
        """Nobody waits any more: polls are answered at once, with what there is."""
        self._books.draining = True
        self._nodes.presence.wake_all()
        self._hosts.presence.wake_all()
        self._checks.end()
        for run in self._books.runs.values():
            run.wake_program()
            run.wake_followers()

    # -- nodes ---------------------------------------------------------------------------------------------------

    async def hello(self, hello: Hello, *, who: Principal = LOCAL) -> Welcome:
        """A node begins a session."""
        return await self._nodes.hello(hello)

    async def poll(self, poll: Poll, *, who: Principal = LOCAL) -> Orders:
        """What a node is to do."""
        return await self._nodes.poll(poll)

    async def reply(self, answer: Answer, *, who: Principal = LOCAL) -> Verdict:
        """A node's answer to a call."""
        return await self._replies.reply(answer)

    async def lines(self, lines: Lines, *, who: Principal = LOCAL) -> Ok:
        """Lines of a node's workers."""
        return await self._replies.lines(lines)

    async def probed(self, result: ProbeResult, *, who: Principal = LOCAL) -> Ok:
        """What a preflight found."""
        return await self._checks.probed(result)

    def gone(self, name: str, session: int, *, who: Principal = LOCAL) -> None:
        """The connection of a daemon's waiting poll broke."""
        self._nodes.presence.gone(name, session)

    def host_gone(self, name: str, session: int, *, who: Principal = LOCAL) -> None:
        """The connection of a host's waiting poll broke."""
        self._hosts.presence.gone(name, session)

    # -- hosts ---------------------------------------------------------------------------------------------------

    async def host_hello(self, hello: Hello, *, who: Principal = LOCAL) -> Welcome:
        """A host begins a session."""
        return await self._hosts.hello(hello)

    async def host_poll(self, poll: HostPoll, *, who: Principal = LOCAL) -> HostOrders:
        """What a host is to start and to stop."""
        return await self._hosts.poll(poll)

    async def host_ended(self, ended: RunEnded, *, who: Principal = LOCAL) -> Ok:
        """A server app's process is gone."""
        return await self._hosts.ended(ended)

    # -- programs ------------------------------------------------------------------------------------------------

    async def attend(self, run: str, attend: Attend, *, who: Principal = LOCAL) -> Attended:
        """A server app begins to write a run."""
        return await self._programs.attend(run, attend)

    async def say(self, run: str, say: Say, *, who: Principal = LOCAL) -> Heard:
        """What a server app has to tell."""
        return await self._programs.say(run, say)

    async def events(self, run: str, after: int = 0, wait: float = 0.0, *, who: Principal = LOCAL) -> Events:
        """A run's events from a number on."""
        return await self._hearing.events(run, after, wait)

    async def shelf(self, run: str, keys: Sequence[str], *, who: Principal = LOCAL) -> Shelved:
        """The manifests that a run's events name."""
        return await self._hearing.shelf(run, list(keys))

    # -- users ---------------------------------------------------------------------------------------------------

    async def new_run(self, new: NewRun, user: str = "", *, who: Principal = LOCAL) -> RunInfo:
        """Begin a run."""
        return await self._runs.new(new, user)

    async def runs(self, federation: str = "", *, who: Principal = LOCAL) -> RunList:
        """Runs, newest first."""
        return self._showing.all(federation)

    async def run(self, reference: str, *, who: Principal = LOCAL) -> RunInfo:
        """One run."""
        return self._showing.show(reference)

    async def remove(self, reference: str, *, who: Principal = LOCAL) -> Ok:
        """Forget a run."""
        return await self._runs.remove(reference)

    async def stop(self, reference: str, *, who: Principal = LOCAL) -> RunInfo:
        """Ask a run to stop."""
        return await self._runs.stop(reference)

    async def resume(self, reference: str, *, who: Principal = LOCAL) -> RunInfo:
        """Let a run go on."""
        return await self._runs.resume(reference)

    async def federations(self, *, who: Principal = LOCAL) -> FederationList:
        """All federations."""
        return self._federations.all()

    async def create_federation(self, federation: Federation, *, who: Principal = LOCAL) -> Federation:
        """A new federation."""
        return await self._federations.create(federation)

    async def federation(self, name: str, *, who: Principal = LOCAL) -> Federation:
        """One federation."""
        return self._federations.show(name)

    async def delete_federation(self, name: str, *, who: Principal = LOCAL) -> Ok:
        """Forget a federation."""
        return await self._federations.delete(name)

    async def add_node(self, name: str, node: str, *, who: Principal = LOCAL) -> Federation:
        """Add a node to a federation."""
        return await self._federations.add(name, node)

    async def remove_node(self, name: str, node: str, *, who: Principal = LOCAL) -> Federation:
        """Take a node out of a federation."""
        return await self._federations.remove(name, node)

    async def nodes(self, *, who: Principal = LOCAL) -> NodeList:
        """All nodes."""
        return self._federations.all_nodes()

    async def check(self, check: Check, user: str = "", *, who: Principal = LOCAL) -> Checked:
        """A preflight at all nodes of a federation."""
        return await self._checks.check(check, user)

    # -- objects -------------------------------------------------------------------------------------------------

    async def lack(self, lack: Lack, *, who: Principal = LOCAL) -> Lacking:
        """Which objects are not here; those that are stay until they are named, for a grace."""
        self._federations.known(lack.federation)
        await self._books.marks.gate()
        here = self._books.store.has(lack.objects)
        self._books.marks.promise(here)
        missing = [digest for digest in lack.objects if digest not in here]
        held = self._books.store.held(missing) if missing else {}
        return Lacking(lack={digest: held.get(digest, 0) for digest in missing})

    async def sweep(self, grace: float = GRACE) -> int:
        """Remove objects that nobody names and nobody touched for so many seconds; returns how many."""
        await self._books.marks.clear()
        return await self._books.marks.sweep(grace)

    def stall(self, reason: str) -> None:
        """Something could not be written outside of the desk (an object, say): runs show why they wait."""
        self._books.stall(reason)

    async def durable(self) -> None:
        """Return when all that was said so far is durable."""
        await self._books.durable()

    def readings(self) -> dict[str, float]:
        """Numbers for metrics."""
        books, nodes = self._books, self._nodes
        live = [run for run in books.runs.values() if run.live]
        here = [n for n in nodes.by_name.values() if nodes.presence.here(n)]
        return {
            "nodes_here": len(here),
            "nodes_known": len(nodes.by_name),
            "hosts_here": sum(self._hosts.presence.here(h) for h in self._hosts.presence.by_name.values()),
            "runs_live": len(live),
            "calls_open": sum(1 for run in live for _ in run.calls.open()),
            "calls_in_hand": sum(len(n.mine) for n in here),
            "offers_total": nodes.offers,
            "replies_accepted_total": self._replies.accepted,
            "replies_failed_total": self._replies.failed,
            "replies_late_total": self._replies.late,
            "replies_conflicting_total": self._replies.conflicts,
            "journal_writes_total": books.writes,
            "journal_flushes_total": books.flushes,
            "stalled": float(bool(books.stalled)),
        }

    # -- inside --------------------------------------------------------------------------------------------------

    def _reloaded(self, before: Run, after: Run) -> None:
        for call in (*before.calls, *before.calls.late.values()):
            if call.timer is not None:
                call.timer.cancel()
        self._nodes.reloaded(before, after)
        for call in after.calls.open():
            self._replies.watch(after, call)

    async def _mark(self) -> None:
        """Know what every run names; only then anything may be removed."""
        for summary in self._books.journal.runs():
            if summary.id not in self._books.runs:
                with contextlib.suppress(AtollError):
                    self._books.mark(summary.id)
            await asyncio.sleep(0)
        self._books.marks.complete = True
        self._books.collect()
        self._sweep_soon()

    def _sweep_soon(self) -> None:
        self._timer = self._books.clock.call_later(SWEEP, self._sweep)

    def _sweep(self) -> None:
        self._marking = asyncio.ensure_future(self._swept())

    async def _swept(self) -> None:
        try:
            await self.sweep()
        except AtollError as error:
            log.warning("sweeping: %s", error.message)
        finally:
            self._sweep_soon()
