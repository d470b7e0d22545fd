"""Runs, as users see them: begun, listed, stopped, resumed, removed.

Doesn't know what they compute.
"""

from __future__ import annotations

import platform
from collections.abc import Callable

import msgspec

from atoll._version import __version__
from atoll.journal import RUNNING, STOPPED, Created, Finished
from atoll.service.coordinator._books import Books
from atoll.service.coordinator._federations import Federations
from atoll.service.coordinator._hosts import Hosts
from atoll.service.coordinator._nodes import Nodes
from atoll.service.coordinator._presence import SKEW, skewed
from atoll.service.coordinator._principals import LOCAL, Principal
from atoll.service.coordinator._refusals import Refusal
from atoll.service.coordinator._registry import RunRecord
from atoll.service.coordinator._replies import Replies
from atoll.service.coordinator._run import LEASE, Lease, Run
from atoll.service.coordinator._showing import Showing, natural
from atoll.values import AtollError, JournalError, new_run_id
from atoll.wire import NewRun, Ok, RunInfo

STOPPING = 20.0  # seconds that a server app may take to stop
ENDED_KEPT = 100  # ended runs in memory, for answers that come late


class Runs:
    """What users wish of runs."""

    def __init__(
        self,
        books: Books,
        nodes: Nodes,
        hosts: Hosts,
        federations: Federations,
        replies: Replies,
        showing: Showing,
    ) -> None:
        self._books, self._nodes, self._hosts, self._federations = books, nodes, hosts, federations
        self._replies, self._showing = replies, showing
        self._ended: list[str] = []
        self.over: Callable[[Run], None] = lambda run: None

    # -- begin -------------------------------------------------------------------------------------------------

    def restore(self) -> None:
        """After a start: all runs that had not ended go on, with no command given."""
        summaries = self._books.journal.runs()
        for id in self._books.records.keys() - {
            s.id for s in summaries
        }:  # a crash came before the run itself was there
            del self._books.records[id]
            self._books.registry.put("run", id, None)
        going = {s.id for s in summaries if s.status in (RUNNING, "interrupted")}
        going |= {id for id, record in self._books.records.items() if record.resumed}
        self._books.gaps.fill(self._books.journal, self._books.records, going)
        for summary in summaries:
            record = self._books.records.get(summary.id)
            if record is None or summary.id not in going:
                continue
            run = self._books.load(summary.id)
            if not run.live:
                self._books.gaps.ended(run.id)
                del self._books.runs[run.id]
                continue
            self._go_on(run)

    async def new(self, new: NewRun, user: str, who: Principal = LOCAL) -> RunInfo:
        """Begin a run. The same id again is the same run."""
        if new.id and new.id in self._books.records:
            return self._showing.info(self._showing.summary(new.id))
        self._books.ready()
        federation = self._federations.known(new.federation, who)
        await self._books.marks.gate()
        self._books.quotas.check_run(new.federation, user)
        if not self._books.tenancy.has(new.federation, (new.bundle,)):
            raise Refusal(
                409, "object.missing", f"bundle {new.bundle} is not here", "upload it, then ask again"
            )
        nodes = self._chosen(new, self._federations.nodes(federation))
        settings = {"federation": new.federation, "where": new.where, "user": user, "bundle": new.bundle,
                    "threads": new.threads, "save": new.save, "needs": msgspec.to_builtins(new.needs)}  # fmt: skip
        if new.order is not None:
            settings["order"] = msgspec.to_builtins(new.order)  # carried for the nodes, which check it
        versions = {"atoll": __version__, "python": platform.python_version()}
        id = new.id or new_run_id()
        self._books.records[id] = RunRecord(
            id=id
        )  # known before it is, so that a crash between leaves a run that goes on
        self._books.registry.put("run", id, self._books.records[id])
        try:
            await self._books.registry.durable()
            self._books.journal.create(Created(
                time=self._books.clock.time(), id=id, name=new.name, app=new.app, config=new.config, seed=new.seed,
                nodes=nodes, settings=settings, versions=versions,
            ), among=new.federation if who is not LOCAL else "")  # fmt: skip
        except AtollError as error:
            self._books.records.pop(id, None)
            self._books.registry.put("run", id, None)
            raise _translated(error) from error
        run = self._books.load(id)
        self._books.audit.add("run-begun", who.id, {
            "run": id, "federation": new.federation, "user": user, "bundle": new.bundle, "nodes": nodes,
        })  # fmt: skip
        self._go_on(run)
        self._tell_skews(run)
        return self._showing.info(self._showing.summary(id))

    def _chosen(self, new: NewRun, nodes: list[str]) -> list[str]:
        if new.nodes:
            if unknown := [n for n in new.nodes if n not in nodes]:
                message = f"federation {new.federation} has no node `{unknown[0]}`"
                raise Refusal(409, "node.unknown", message, f"it has: {', '.join(nodes[:10]) or 'none'}")
            return list(dict.fromkeys(new.nodes))
        here = [n for n in nodes if self._nodes.here(new.federation, n)]
        if not here:
            message = f"no node of federation {new.federation} is here"
            raise Refusal(
                409,
                "federation.no-nodes",
                message,
                "start one: atoll node start --coordinator URL --name NAME",
            )
        return sorted(here, key=natural)

    def _go_on(self, run: Run) -> None:
        try:
            run.hold = run.hold or self._books.journal.hold(run.id)
        except JournalError:
            run.hold = None
        calls = list(run.calls.open())
        for call in calls:
            self._replies.watch(run, call)
        self._nodes.hand_out(run, calls)
        self._hosts.ready(run)
        if run.record.stopping:
            self._books.clock.call_later(STOPPING, lambda: self._overdue(run))

    def _tell_skews(self, run: Run) -> None:
        for name in run.spec.nodes:
            node = self._nodes.find(run.federation, name)
            if node is not None and abs(node.record.skew) > SKEW:
                record = msgspec.structs.replace(node.record, name=name)
                self._books.say(run, "warning", skewed("node", record), node=name)

    # -- end ---------------------------------------------------------------------------------------------------

    async def stop(self, reference: str) -> RunInfo:
        """Ask a run to stop; one that nobody drives has stopped at once."""
        summary = self._showing.summary(reference)
        run = self._books.runs.get(summary.id)
        if run is None or not run.live:
            raise Refusal(409, "run.not-running", f"run {summary.name} is not running", "see `atoll ls`")
        self._books.ready()
        self._books.wish(run, stopping=True)
        await self._books.registry.durable()
        run.wake_program()
        self._hosts.stop(run)
        driven = self._hosts.drives(run) or run.listener is not None or self._lately(run)
        if driven:
            self._books.clock.call_later(STOPPING, lambda: self._overdue(run))
        else:
            self.end(run, STOPPED, {})
            await self._books.durable()
        return self._showing.info(self._showing.summary(summary.id))

    async def resume(self, reference: str) -> RunInfo:
        """Let a stopped or failed run go on."""
        summary = self._showing.summary(reference)
        run = self._books.runs.get(summary.id)
        if run is not None and run.live:
            return self._showing.info(summary)
        if summary.status == "finished":
            raise Refusal(
                409, "run.finished", f"run {summary.name} is finished", "there is nothing to resume"
            )
        self._books.ready()
        if (created := self._books.created(summary.id)) is not None:
            asked = created.settings
            self._books.quotas.check_run(str(asked.get("federation", "")), str(asked.get("user", "")))
        last = max((n for n, _ in self._books.journal.events(summary.id)), default=0)
        record = RunRecord(id=summary.id, resumed=last)
        self._books.records[summary.id] = record
        self._books.registry.put("run", summary.id, record)
        self._books.gaps.forget(summary.id)
        await self._books.registry.durable()
        again = self._books.load(summary.id)
        if run is not None:
            again.followers |= run.followers
        self._go_on(again)
        return self._showing.info(self._showing.summary(summary.id))

    async def remove(self, reference: str) -> Ok:
        """Forget a run and all that it kept."""
        summary = self._showing.summary(reference)
        run = self._books.runs.get(summary.id)
        if run is not None and run.live:
            raise Refusal(409, "run.busy", f"run {summary.name} is running", f"atoll stop {summary.name}")
        federation, nodes = self._nodes_of(summary.id)
        if run is not None:
            self._let_go(run)
        try:
            self._books.journal.remove(summary.id)
        except AtollError as error:
            raise _translated(error) from error
        self._books.runs.pop(summary.id, None)
        self._books.records.pop(summary.id, None)
        self._books.registry.put("run", summary.id, None)
        self._books.gaps.forget(summary.id)
        self._nodes.removed(summary.id, federation, nodes)
        self._books.marks.forget(summary.id)
        self._books.usage.forget(summary.id)
        self._books.collect()
        await self._books.registry.durable()
        return Ok()

    def _nodes_of(self, id: str) -> tuple[str, list[str]]:
        """A run's federation and its nodes."""
        for _, event in self._books.journal.events(id):
            if isinstance(event, Created):
                return str(event.settings.get("federation", "")), event.nodes
            break
        return "", []

    def end(self, run: Run, status: str, reason: dict[str, str]) -> None:
        """End a run from here: nobody may write it any more."""
        if not run.live or self._books.runs.get(run.id) is not run:
            return
        if status == STOPPED:
            reason = {
                "code": "run.stopped",
                "message": "stopped on request",
                "mend": f"atoll resume {run.created.name}",
            }
        event = Finished(time=self._books.clock.time(), status=status, reason=reason)
        change = run.take(event)
        run.lease = Lease(fence=run.lease.fence + 1)

        def then() -> None:
            self._nodes.withdraw(run, change.withdrawn)
            self.finished(run)

        try:
            done = self._books.write(run, "say", (event,), keep={LEASE: msgspec.msgpack.encode(run.lease)},
                                     drop=change.dropped, then=then)  # fmt: skip
        except Refusal:
            self._books.clock.call_later(1.0, lambda: self._end_again(run.id, status, reason))
            return
        done.add_done_callback(lambda f: f.cancelled() or f.exception())
        run.wake_program()

    def _end_again(self, id: str, status: str, reason: dict[str, str]) -> None:
        run = self._books.runs.get(id)
        if run is not None:
            self.end(run, status, reason)

    def finished(self, run: Run) -> None:
        """A run has ended, durably."""
        self._books.audit.add(
            "run-ended",
            self._books.audit.of,
            {"run": run.id, "federation": run.federation, "status": run.status},
        )
        self._books.gaps.ended(run.id)
        self._books.usage.flush()
        run.ended_at = self._books.clock.monotonic()
        self.over(run)
        self._let_go(run)
        self._nodes.ended(run)
        self._hosts.stop(run)
        run.wake_program()
        run.wake_followers()
        self._ended = [i for i in self._ended if i != run.id] + [run.id]
        while len(self._ended) > ENDED_KEPT:
            old = self._books.runs.get(self._ended.pop(0))
            if old is not None and not old.live:
                del self._books.runs[old.id]

    def _let_go(self, run: Run) -> None:
        if run.hold is not None:
            run.hold.release()
            run.hold = None

    def _overdue(self, run: Run) -> None:
        if run.live and run.record.stopping:
            self.end(run, STOPPED, {})

    def _lately(self, run: Run) -> bool:
        return run.said_at is not None and self._books.clock.monotonic() < run.said_at + STOPPING


def _translated(error: AtollError) -> Refusal:
    if isinstance(error, Refusal):
        return error
    status = {
        "journal.write-failed": 503,
        "run.unknown": 404,
        "run.bad-name": 400,
        "run.bad-config": 400,
    }.get(error.code, 409)
    code = "disk.full" if status == 503 else error.code
    return Refusal(status, code, error.message, error.mend, retry=1.0 if status == 503 else 0.0)
