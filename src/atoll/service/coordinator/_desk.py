"""The desk: one method for each request that comes, over the rooms behind it.

Doesn't know HTTP. It lives on the event loop; what it writes goes through the journal's thread and the registry's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from atoll.identity import Permission
from atoll.journal import Ledger
from atoll.service.coordinator._access import Access, forbidden
from atoll.service.coordinator._audit_rolls import fill as fill_rolls
from atoll.service.coordinator._books import Books
from atoll.service.coordinator._checks import Checks
from atoll.service.coordinator._clock import Clock, SystemClock
from atoll.service.coordinator._enrolment import Enrolment, Town
from atoll.service.coordinator._federations import Federations
from atoll.service.coordinator._hearing import Hearing
from atoll.service.coordinator._hosts import Hosts
from atoll.service.coordinator._nodes import Nodes
from atoll.service.coordinator._principals import LOCAL, Principal, Rosters
from atoll.service.coordinator._programs import Programs
from atoll.service.coordinator._reach import Reach
from atoll.service.coordinator._records import Records
from atoll.service.coordinator._refusals import Refusal
from atoll.service.coordinator._registry import Registry
from atoll.service.coordinator._replies import Replies
from atoll.service.coordinator._rosters import Rosters as KeptRosters
from atoll.service.coordinator._run import Run
from atoll.service.coordinator._run_keys import RunKeys
from atoll.service.coordinator._runs import Runs
from atoll.service.coordinator._showing import Showing
from atoll.service.coordinator._tidying import Tidying
from atoll.service.coordinator._traffic import Traffic
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
    LendKey,
    Lines,
    NewRun,
    NodeList,
    Ok,
    Orders,
    Poll,
    ProbeResult,
    RunEnded,
    RunInfo,
    RunKey,
    RunList,
    Say,
    Shelved,
    Verdict,
    Welcome,
)

M = TypeVar("M", Hello, Poll, Answer, Lines, ProbeResult, HostPoll, RunEnded)


class Desk:
    """The coordinator, without its door. Every method raises `Refusal` for what it does not do."""

    def __init__(
        self, home: Path, journal: Ledger, store: Store, *, clock: Clock | None = None,
        rosters: Callable[[Registry, Clock], Rosters] | None = None,
    ) -> None:  # fmt: skip
        self._books = books = Books(home, journal, store, clock or SystemClock())
        self.access = Access(rosters(books.registry, books.clock) if rosters is not None else None)
        self.run_keys = RunKeys(books, self.access)
        self._reach = Reach(books, self.access)
        self._nodes = Nodes(books, self.access)
        self._hosts = Hosts(books, self.access)
        self._federations = Federations(books, self._nodes, self.access)
        self.records = Records(books, self.access, self._federations)
        self.traffic = Traffic(books, self.access, self._nodes, self._federations)
        self.tidying = Tidying(books)
        books.tenancy.apart, books.tenancy.complete = self.access.identified, self.tidying.marked
        self.enrolment = Enrolment(self.access, books.clock)
        self._replies = Replies(books, self._nodes)
        self._hearing = Hearing(books)
        self._programs = Programs(books, self._nodes, self._replies, self._hearing)
        self._showing = Showing(books, self._nodes, self._hosts)
        self._runs = Runs(books, self._nodes, self._hosts, self._federations, self._replies, self._showing)
        self._checks = Checks(books, self._nodes, self._federations)
        self._hosts.end, self._programs.finished = self._runs.end, self._runs.finished
        self._runs.over = self.run_keys.ended
        books.reloaded = self._reloaded

    def open_to(self, town: Town, rosters: KeptRosters) -> None:
        """Let others enrol."""
        self.enrolment = Enrolment(self.access, self._books.clock, rosters, town, note=self._books.audit.add)

    async def start(self) -> None:
        """Take up all runs that have not ended."""
        await self._books.registry.durable()
        if self.access.identified:
            fill_rolls(self._books.audit, self._books.registry)
        self._runs.restore()
        self.run_keys.restore()
        self.tidying.start()
        self.records.began()

    async def close(self) -> None:
        """Answer whoever waits, and write what is to be written."""
        self.drain()
        await self.tidying.close()
        self._books.usage.flush()
        with contextlib.suppress(AtollError):
            await self._books.durable()
            await self._books.registry.durable()
        self.records.ended()
        await self._books.audit.close()
        for run in self._books.runs.values():
            if run.hold is not None:
                run.hold.release()
        self._books.registry.close()

    def drain(self) -> None:
        """Nobody waits any more: polls are answered at once, with what there is."""
        self._books.draining = True
        self.enrolment.end()
        self._nodes.presence.wake_all()
        self._hosts.presence.wake_all()
        self._checks.end()
        for run in self._books.runs.values():
            run.wake_program()
            run.wake_followers()

    # -- nodes ---------------------------------------------------------------------------------------------------

    async def hello(self, hello: Hello, *, who: Principal = LOCAL) -> Welcome:
        """A node begins a session."""
        welcome = await self._nodes.hello(self._own(hello, who))
        self._note("node-session", who, node=self._daemon(hello.name, who), session=welcome.session)
        return welcome

    async def poll(self, poll: Poll, *, who: Principal = LOCAL) -> Orders:
        """What a node is to do."""
        orders = await self._nodes.poll(self._own(poll, who))
        mark = self.records.exchange(self._daemon(poll.name, who), poll.checkpoint)
        return msgspec.structs.replace(orders, checkpoint=mark) if mark is not None else orders

    async def reply(self, answer: Answer, *, who: Principal = LOCAL) -> Verdict:
        """A node's answer to a call."""
        return await self._replies.reply(self._own(answer, who))

    async def lines(self, lines: Lines, *, who: Principal = LOCAL) -> Ok:
        """Lines of a node's workers."""
        return await self._replies.lines(self._own(lines, who))

    async def probed(self, result: ProbeResult, *, who: Principal = LOCAL) -> Ok:
        """What a preflight found."""
        return await self._checks.probed(self._own(result, who))

    def gone(self, name: str, session: int, *, who: Principal = LOCAL) -> None:
        """The connection of a daemon's waiting poll broke."""
        self._nodes.presence.gone(self._daemon(name, who), session)

    def host_gone(self, name: str, session: int, *, who: Principal = LOCAL) -> None:
        """The connection of a host's waiting poll broke."""
        self._hosts.presence.gone(self._daemon(name, who), session)

    # -- hosts ---------------------------------------------------------------------------------------------------

    async def host_hello(self, hello: Hello, *, who: Principal = LOCAL) -> Welcome:
        """A host begins a session."""
        welcome = await self._hosts.hello(self._own(hello, who))
        self._note("host-session", who, host=self._daemon(hello.name, who), session=welcome.session)
        return welcome

    async def host_poll(self, poll: HostPoll, *, who: Principal = LOCAL) -> HostOrders:
        """What a host is to start and to stop."""
        return await self._hosts.poll(self._own(poll, who))

    async def host_ended(self, ended: RunEnded, *, who: Principal = LOCAL) -> Ok:
        """A server app's process is gone."""
        return await self._hosts.ended(self._own(ended, who))

    # -- programs ------------------------------------------------------------------------------------------------

    async def attend(self, run: str, attend: Attend, *, who: Principal = LOCAL) -> Attended:
        """A server app begins to write a run."""
        self._reach.run(run, who, Permission.RUN_DRIVE)
        return await self._programs.attend(run, attend)

    async def say(self, run: str, say: Say, *, who: Principal = LOCAL) -> Heard:
        """What a server app has to tell."""
        self._reach.run(run, who, Permission.RUN_DRIVE)
        return await self._programs.say(run, say)

    async def events(self, run: str, after: int = 0, wait: float = 0.0, *, who: Principal = LOCAL) -> Events:
        """A run's events from a number on."""
        self._reach.run(run, who, Permission.RUN_SEE)
        return await self._hearing.events(run, after, wait)

    async def shelf(self, run: str, keys: Sequence[str], *, who: Principal = LOCAL) -> Shelved:
        """The manifests that a run's events name."""
        self._reach.run(run, who, Permission.RUN_PULL)
        shelved = await self._hearing.shelf(run, list(keys))
        if who.kind in ("user", "local") and shelved.objects:
            objects = sorted({d for manifest in shelved.objects.values() for d in manifest.objects})
            self._note("model-pulled", who, run=run, keys=sorted(shelved.objects), objects=objects)
        return shelved

    async def lend_key(self, run: str, lent: LendKey, *, who: Principal = LOCAL) -> RunKey:
        """Let an attempt's key drive a run: its host lends it, or its user, where its server app is on their machine."""
        if not self.access.identified:
            raise forbidden("this coordinator knows nobody by a key", "drive the run with its token")
        host = who.kind == "host"
        self._reach.run(run, who, Permission.HOST_CALL if host else Permission.RUN_SUBMIT)
        found = self._books.live(run)
        if found.where != ("host" if host else "here") or (host and found.record.host != who.id):
            raise forbidden(
                f"run {found.created.name} is not driven from there", "nothing: who drives it asks"
            )
        return await self.run_keys.lend(found, lent.key, who)

    # -- users ---------------------------------------------------------------------------------------------------

    async def new_run(self, new: NewRun, user: str = "", *, who: Principal = LOCAL) -> RunInfo:
        """Begin a run."""
        if self.access.identified:
            self._federations.reach(new.federation, who, Permission.RUN_SUBMIT, own=True)
            user = self.access.user(who, new.federation)
            self._check_id(new, user)
        return await self._runs.new(new, user, who)

    async def runs(self, federation: str = "", *, who: Principal = LOCAL) -> RunList:
        """Runs, newest first."""
        return self._showing.all(federation, lambda id: self._reach.sees(who, id))

    async def run(self, reference: str, *, who: Principal = LOCAL) -> RunInfo:
        """One run."""
        return self._showing.show(self._reach.reference(reference, who, Permission.RUN_SEE))

    async def remove(self, reference: str, *, who: Principal = LOCAL) -> Ok:
        """Forget a run."""
        id = self._reach.reference(reference, who, Permission.RUN_REMOVE)
        facts = self._reach.facts(id)
        done = await self._runs.remove(id)
        self._reach.forget(id)
        self._note("run-removed", who, run=id, federation=facts.federation if facts else "")
        return done

    async def stop(self, reference: str, *, who: Principal = LOCAL) -> RunInfo:
        """Ask a run to stop."""
        found = await self._runs.stop(self._reach.reference(reference, who, Permission.RUN_STOP))
        self._note("run-stopped", who, run=found.summary["id"])
        return found

    async def resume(self, reference: str, *, who: Principal = LOCAL) -> RunInfo:
        """Let a run go on."""
        found = await self._runs.resume(self._reach.reference(reference, who, Permission.RUN_STOP))
        self._note("run-resumed", who, run=found.summary["id"])
        return found

    async def federations(self, *, who: Principal = LOCAL) -> FederationList:
        """All federations."""
        return self._federations.all(who)

    async def create_federation(self, federation: Federation, *, who: Principal = LOCAL) -> Federation:
        """A new federation."""
        made = await self._federations.create(federation, who)
        self._note("federation-created", who, federation=federation.name)
        return made

    async def federation(self, name: str, *, who: Principal = LOCAL) -> Federation:
        """One federation."""
        return self._federations.show(name, who)

    async def delete_federation(self, name: str, *, who: Principal = LOCAL) -> Ok:
        """Forget a federation."""
        done = await self._federations.delete(name, who)
        self._books.quotas.forget(name)
        self._note("federation-removed", who, federation=name)
        return done

    async def add_node(self, name: str, node: str, *, who: Principal = LOCAL) -> Federation:
        """Add a node to a federation."""
        found = await self._federations.add(name, node, who)
        self._note("node-added", who, federation=name, node=node)
        return found

    async def remove_node(self, name: str, node: str, *, who: Principal = LOCAL) -> Federation:
        """Take a node out of a federation."""
        found = await self._federations.remove(name, node, who)
        self._note("node-removed", who, federation=name, node=node)
        return found

    async def nodes(self, *, who: Principal = LOCAL) -> NodeList:
        """All nodes."""
        return self._federations.all_nodes(who)

    async def check(self, check: Check, user: str = "", *, who: Principal = LOCAL) -> Checked:
        """A preflight at all nodes of a federation."""
        self._federations.reach(check.federation, who, Permission.RUN_CHECK)
        return await self._checks.check(
            check, self.access.user(who, check.federation) if who is not LOCAL else user, who
        )

    # -- objects -------------------------------------------------------------------------------------------------

    async def lack(self, lack: Lack, *, who: Principal = LOCAL) -> Lacking:
        """Which objects are not here; those that are stay until they are named, for a grace."""
        self.admit(lack.federation, Permission.OBJECT_PUT, who=who)
        tenancy = self._books.tenancy
        await tenancy.settled((lack.federation,), lack.objects)
        await self._books.marks.gate()
        here = tenancy.has(lack.federation, lack.objects)
        self._books.marks.promise(here)
        missing = [digest for digest in lack.objects if digest not in here]
        held = tenancy.held(lack.federation, missing) if missing else {}
        return Lacking(lack={digest: held.get(digest, 0) for digest in missing})

    def admit(self, federation: str, permission: Permission, *, who: Principal = LOCAL) -> None:
        """Return when objects of a federation may be put there, or got. Raises `Refusal`."""
        self._federations.reach(federation, who, permission, own=True)

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

    def _note(self, kind: str, who: Principal, **what: Any) -> None:
        """Write down what somebody did; of a run, in which federation."""
        facts = self._reach.facts(what["run"]) if "run" in what and "federation" not in what else None
        self._books.audit.add(kind, who.id, {**what, "federation": facts.federation} if facts else what)

    def _own(self, message: M, who: Principal) -> M:
        """What a daemon says of itself, under the name that its key has: what it calls itself counts for nothing."""
        if not self.access.identified:
            return message
        named = {"name": who.id, "identity": who.id} if isinstance(message, Hello) else {"name": who.id}
        return msgspec.structs.replace(message, **named)

    def _daemon(self, name: str, who: Principal) -> str:
        return who.id if self.access.identified else name

    def _check_id(self, new: NewRun, user: str) -> None:
        """A run's id is its asker's: nobody gets to another's run by it."""
        known = self._reach.facts(new.id) if new.id in self._books.records else None
        if known is not None and (known.federation, known.user) != (new.federation, user):
            raise Refusal(409, "run.id-taken", f"the id {new.id} is another run's", "choose another")

    def _reloaded(self, before: Run, after: Run) -> None:
        for call in (*before.calls, *before.calls.late.values()):
            if call.timer is not None:
                call.timer.cancel()
        self._nodes.reloaded(before, after)
        for call in after.calls.open():
            self._replies.watch(after, call)
