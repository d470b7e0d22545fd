"""Hosts: which runs each drives, and starting a server app again when it died.

Doesn't know what server apps do. A run stays with its host; only when that is away for long another one takes it, and the
fence keeps the two apart.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

import msgspec

from atoll.service.coordinator._access import Access
from atoll.service.coordinator._books import Books, log
from atoll.service.coordinator._presence import BEAT, BEATS, Daemon, Presence
from atoll.service.coordinator._registry import DaemonRecord
from atoll.service.coordinator._run import Run
from atoll.wire import Hello, HostOrders, HostPoll, Ok, RunEnded, Welcome

DEATHS = 10  # in a row without progress, and the run has failed
ENDING = 10.0  # seconds that a server app may take to end after its run did


class Host(Daemon):
    """A host, and what it drives."""

    __slots__ = ("running", "told")

    def __init__(self, record: DaemonRecord) -> None:
        super().__init__(record)
        self.running: set[str] = set()
        self.told: dict[str, float] = {}  # when it was told to stop a run


class Hosts:
    """All hosts, and handing runs out to them."""

    def __init__(self, books: Books, access: Access | None = None) -> None:
        self._books, self._clock, self._access = books, books.clock, access or Access()
        self.presence: Presence[Host] = Presence(books, "host", Host)
        self._writing: asyncio.Future[None] | None = None
        self.started = books.clock.monotonic()
        self.end: Callable[[Run, str, dict[str, str]], None] = lambda run, status, reason: None

    async def hello(self, hello: Hello) -> Welcome:
        """A host begins a session."""
        welcome = await self.presence.hello(hello)
        self.presence.by_name[hello.name].told.clear()
        return welcome

    async def poll(self, poll: HostPoll) -> HostOrders:
        """What a host is to start and to stop."""
        host = self.presence.known(poll.name, poll.session)
        host.running, host.free = set(poll.running), poll.free
        for run in self._of(host):
            if run.id not in host.running:
                run.ordered = False  # the order did not reach it, or its process is gone
        for id in poll.running:
            adopted = self._books.runs.get(id)
            if (
                adopted is not None
                and adopted.live
                and not self._assigned(adopted)
                and self._may(host, adopted)
            ):
                self._assign(adopted, host)
        orders = await self.presence.wait(host, poll.wait, lambda: self._orders(host))
        return orders or HostOrders()

    async def ended(self, ended: RunEnded) -> Ok:
        """A server app's process is gone: it is started again, unless its run ended, or it dies again and again."""
        host = self.presence.known(ended.name, ended.session)
        if ended.run in host.running:
            host.running.discard(ended.run)
            host.free += 1
            host.wake()
        run = self._books.runs.get(ended.run)
        if run is None or not run.live or run.record.host != host.name:
            return Ok()
        if ended.since not in (-1, run.record.resumed):  # it is told late: the run was resumed since
            return Ok()
        self._books.ready()
        if run.record.stopping:
            self.end(run, "stopped", {})
        elif ended.code > 0:
            self.end(
                run, "failed", _reason("program.ended", f"the server app's process ended: {ended.how}", ended)
            )
        else:
            self._died(run, ended)
        await self._books.durable()
        await self._books.registry.durable()
        return Ok()

    def ready(self, run: Run) -> None:
        """A run wants a host."""
        for host in self.presence.by_name.values():
            if host.waiting is not None and run.record.host in ("", host.name):
                host.wake()

    def stop(self, run: Run) -> None:
        """A run is to stop, or has ended."""
        host = self.presence.by_name.get(run.record.host)
        if host is not None:
            host.wake()

    def drives(self, run: Run) -> bool:
        """Whether a host that is here has the run's process, as far as it told."""
        host = self.presence.by_name.get(run.record.host)
        return host is not None and self.presence.here(host) and (run.ordered or run.id in host.running)

    def waiting(self, run: Run) -> str:
        """Why a run is not driven; empty when it is."""
        if run.where != "host" or self.drives(run):
            return ""
        here = [h for h in self.presence.by_name.values() if self.presence.here(h)]
        if not here:
            return "no host is here to run its server app: start one with `atoll host start`"
        host = self.presence.by_name.get(run.record.host)
        if host is not None and not self.presence.here(host):
            return f"host {host.name} is away"
        return "its server app begins soon" if any(h.free for h in here) else "all hosts are busy"

    # -- inside ------------------------------------------------------------------------------------------------

    def _died(self, run: Run, ended: RunEnded) -> None:
        deaths = run.record.deaths + 1 if run.progress == run.record.progress else 1
        self._books.wish(run, deaths=deaths, progress=run.progress)
        if deaths > DEATHS:
            message = f"the server app's process died {deaths} times without progress: {ended.how}"
            self.end(run, "failed", _reason("program.dies", message, ended))
            return
        self._books.say(run, "warning", f"the server app's process died ({ended.how}); it is started again")
        pause = 0.0 if deaths == 1 else min(5.0, 0.1 * 2.0**deaths)
        run.ordered, run.not_before = False, self._clock.monotonic() + pause
        self._clock.call_later(pause, lambda: self.ready(run))

    def _orders(self, host: Host) -> HostOrders | None:
        now = self._clock.monotonic()
        host.told = {id: at for id, at in host.told.items() if id in host.running and at + BEAT > now}
        stop = [id for id in host.running if id not in host.told and self._unwanted(id, host)]
        host.told.update(dict.fromkeys(stop, now))
        mine = [r for r in self._of(host) if self._wants(r) and r.id not in host.running]
        room = host.free - len(mine)
        start = mine[:]
        for run in self._unassigned() if room > 0 else []:
            if len(start) - len(mine) >= room:
                break
            if not self._may(host, run):
                continue
            self._assign(run, host)
            start.append(run)
        for run in start:
            run.ordered = True
        host.free = max(0, host.free - len(start))
        if not (start or stop):
            return None
        return HostOrders(
            start=[msgspec.structs.replace(r.spec, since=r.record.resumed) for r in start], stop=stop
        )

    def _of(self, host: Host) -> list[Run]:
        return [
            r
            for r in self._books.runs.values()
            if r.live and r.where == "host" and r.record.host == host.name and self._may(host, r)
        ]

    def _may(self, host: Host, run: Run) -> bool:
        return self._access.drives(host.name, run.federation)

    def _wants(self, run: Run) -> bool:
        return not run.ordered and not run.record.stopping and self._clock.monotonic() >= run.not_before

    def _unassigned(self) -> list[Run]:
        """Runs without a host, those of users with the fewest runs under way first, then the oldest."""
        live = [r for r in self._books.runs.values() if r.live and r.where == "host"]
        busy = Counter(r.user for r in live if self._assigned(r))
        waiting: list[Run] = []
        for run in sorted((r for r in live if not self._assigned(r)), key=lambda r: r.created.time):
            if not run.record.stopping and self._clock.monotonic() >= run.not_before:
                waiting.append(run)
        ranks: Counter[str] = Counter()
        keyed = []
        for run in waiting:
            keyed.append((busy[run.user] + ranks[run.user], run.created.time, run.id, run))
            ranks[run.user] += 1
        return [run for *_, run in sorted(keyed, key=lambda k: k[:3])]

    def _assigned(self, run: Run) -> bool:
        """Whether a host has it; one that is away for three times as long as it takes to notice has it no more."""
        host = self.presence.by_name.get(run.record.host)
        if host is None or not self._may(host, run):
            return False
        if host.seen is None:  # not since the coordinator's start: it may come yet
            return self._clock.monotonic() < self.started + 3 * BEATS * BEAT
        return self._clock.monotonic() < host.away_at() + 2 * BEATS * BEAT

    def _assign(self, run: Run, host: Host) -> None:
        run.ordered = run.id in host.running
        if run.record.host != host.name:
            self._books.wish(run, host=host.name)
            self._writing = asyncio.ensure_future(_quietly(self._books))

    def _unwanted(self, id: str, host: Host) -> bool:
        run = self._books.runs.get(id)
        if run is None:
            return True
        if run.live:
            return run.record.stopping or run.record.host != host.name or not self._may(host, run)
        return self._clock.monotonic() > run.ended_at + ENDING


async def _quietly(books: Books) -> None:
    try:
        await books.registry.durable()
    except Exception:  # nobody waits for this write
        log.exception("the registry can't be written; it is tried again")


def _reason(code: str, message: str, ended: RunEnded) -> dict[str, str]:
    return {"code": code, "message": message, "mend": "see the traceback, mend the app, then `atoll resume`",
            "traceback": ended.output[-20_000:]}  # fmt: skip
