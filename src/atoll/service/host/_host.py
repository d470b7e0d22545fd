"""The host: a session with the coordinator, and the server apps that it orders, each a process.

Doesn't know what they compute, or which of them the coordinator will order again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from atoll._version import __version__
from atoll.service.guard import Guard, Objection, Rosters
from atoll.service.host._attempt import attend, unfit
from atoll.service.host._child import Child, End
from atoll.service.host._lending import Lending, bare
from atoll.service.host._objects import FULL
from atoll.service.host._settings import HostSettings, Order
from atoll.service.host._starting import Starting
from atoll.service.workshop import Prepared, Workshop
from atoll.values import AtollError, DiskFull
from atoll.wire import Client, Hello, HostOrders, HostPoll, Ok, RunEnded, RunSpec, Welcome, keep_renewed

FENCED = "host.fenced"
_AGENT = f"atoll-host/{__version__}"
TWICE = 60.0  # seconds within which a second fencing is another daemon's, not an old request's that came late


class Host:
    """Runs server apps until it is closed."""

    def __init__(
        self, settings: HostSettings, home: Path, identity: str, warn: Callable[[str], None]
    ) -> None:
        self._settings, self._home, self._identity, self._warn = settings, home, identity, warn
        self._client = Client(settings.coordinator, agent=_AGENT, patience=None)
        self._guard = _guard(settings, home, self._client)
        self._workshop = Workshop(
            home / "workshop",
            environments=settings.environments,
            wheelhouse=settings.wheelhouse,
            index=settings.index,
        )
        self._starting = Starting(home)
        self._lock = threading.Condition()
        self._children: dict[str, Child] = {}
        self._next: dict[str, RunSpec] = {}
        self._lent: dict[str, Lending] = {}  # each used by its child's thread
        self._session = 0
        self._fenced = float("-inf")
        self._closing = False

    def serve(self, ready: Callable[[], None]) -> None:
        """Hello, then polls, until closed. Raises what no patience mends."""
        if self._settings.coordinator.key:
            keep_renewed(self._client, self._warn)
        while not self._closing:
            try:
                welcome = self._hello()
                ready()
                self._be_ready()
                self._polls(welcome.beat)
            except AtollError as error:
                if self._closing:
                    return
                if error.code != FENCED:
                    raise
                self._once(error)

    def close(self) -> None:
        """End all programs at once; their runs go on when they are ordered again."""
        with self._lock:
            self._closing = True
            children = list(self._children.values())
            self._lock.notify_all()
        self._client.close()
        self._starting.close()
        for child in children:
            child.kill()

    # -- inside --------------------------------------------------------------------------------------------

    def _hello(self) -> Welcome:
        s = self._settings
        hello = Hello(
            name=s.name, identity=self._identity, version=__version__, time=time.time(), slots=s.slots
        )
        welcome: Welcome = self._client.call("POST", "/v1/host/hello", hello, Welcome)
        with self._lock:
            self._session = welcome.session
            self._lock.notify_all()
        return welcome

    def _polls(self, beat: float) -> None:
        while not self._closing:
            with self._lock:
                running = sorted(self._children)
            poll = HostPoll(name=self._settings.name, session=self._session, running=running,
                            free=max(0, self._settings.slots - len(running)), wait=beat)  # fmt: skip
            self._follow(self._client.call("POST", "/v1/host/poll", poll, HostOrders, wait=beat))

    def _follow(self, orders: HostOrders) -> None:
        for run in orders.stop:
            child = self._children.get(run)
            if child is not None:
                child.stop()
        for spec in orders.start:
            with self._lock:
                before = self._children.get(spec.run)
                if before is not None and before.over:
                    self._next[spec.run] = spec  # once all is told of the one before
                elif before is None and not self._closing:
                    self._children[spec.run] = self._begin(spec)

    def _begin(self, spec: RunSpec) -> Child:
        s = self._settings
        order = Order(coordinator=bare(s.coordinator), spec=spec, folder="", work="", objects=s.objects)
        return Child(
            order,
            self._home / "runs" / spec.run,
            prepare=lambda: self._prepared(spec),
            seed=lambda: lending.seed if (lending := self._lending(spec.run)) else "",
            starting=self._starting,
            ended=self._ended,
        )

    def _prepared(self, spec: RunSpec) -> Prepared:
        try:
            self._look(spec)
            return self._made(spec)
        except AtollError as error:  # so that the run itself tells, and is not tried again as it is
            if not self._closing:
                self._tell_unfit(spec.run, error)
            raise

    def _look(self, spec: RunSpec) -> None:
        """Raises an `Objection` for a run that nobody signed as it is, where that matters."""
        if self._guard is None:
            return
        try:
            self._guard.check(spec)
        except Objection as objection:
            self._warn(f"refused run {spec.run} of {spec.federation}: {objection.message}")
            raise

    def _tell_unfit(self, run: str, error: AtollError) -> None:
        lending, client = self._lending(run), self._client
        if lending is not None:
            client = Client(bare(self._settings.coordinator), agent=_AGENT, patience=None, key=lending.key)
        cache = self._home / "runs" / run / "objects"
        attend(client, run, where="host", cache=cache).run(unfit(error))

    def _lending(self, run: str) -> Lending | None:
        """What lets this attempt drive its run, where there are keys. Raises `AtollError`."""
        if not self._settings.coordinator.key:
            return None
        found = self._lent.get(run)
        if found is None:
            found = self._lent[run] = Lending(self._client, run)
        return found

    def _made(self, spec: RunSpec) -> Prepared:
        """A full disk is waited for."""
        while True:
            try:
                return self._workshop.prepare(
                    spec.bundle, lambda: self._client.fetch(f"/v1/bundles/{spec.bundle}")
                )
            except DiskFull as error:
                self._warn(f"run {spec.run} waits: {error.message}")
                with self._lock:
                    if self._lock.wait_for(lambda: self._closing, FULL):
                        raise

    def _ended(self, child: Child, end: End) -> None:
        """Tell it, in whichever session there is by then; only then is the run not running here any more."""
        session = 0
        while (session := self._newer(session)) and not self._told(child, end, session):
            pass
        if (lending := self._lent.pop(child.run, None)) is not None:
            lending.end()
        with self._lock:
            del self._children[child.run]
            spec = self._next.pop(child.run, None)
            if spec is not None and not self._closing:
                self._children[spec.run] = self._begin(spec)
        self._be_ready()

    def _be_ready(self) -> None:
        """While no program runs, one is ready to."""
        with self._lock:
            idle = not self._children and not self._closing
        if idle:
            self._starting.be_ready(self._workshop.usual)

    def _newer(self, session: int) -> int:
        """The session after that one, once there is one; 0 when the host is closing."""
        with self._lock:
            self._lock.wait_for(lambda: self._closing or self._session != session)
            return 0 if self._closing else self._session

    def _told(self, child: Child, end: End, session: int) -> bool:
        body = RunEnded(name=self._settings.name, session=session, run=child.run, how=end.how, code=end.code,
                        output=end.output, since=child.since)  # fmt: skip
        try:
            self._client.call("POST", "/v1/host/ended", body, Ok)
        except AtollError as error:
            if error.code == FENCED:
                return False
            if not self._closing:
                self._warn(
                    f"the coordinator does not take the end of {child.run} ({end.how}): {error.message}"
                )
        return True

    def _once(self, error: AtollError) -> None:
        if time.monotonic() - self._fenced < TWICE:
            raise AtollError(
                "host.fenced",
                f"another daemon runs as host {self._settings.name}, and the coordinator goes on with that one",
                "stop the other, or give this one a name of its own (--name)",
            ) from error
        self._fenced = time.monotonic()


def _guard(settings: HostSettings, home: Path, client: Client) -> Guard | None:
    """What only lets signed runs through; None for a coordinator's own host, and where nobody has a key."""
    if not settings.pins:
        return None
    from atoll.identity import Key  # slow to import

    def fetch(federation: str) -> bytes:
        return client.fetch(f"/v1/federations/{federation}/roster")

    me = Key.load(settings.coordinator.key).id
    return Guard(home, Rosters(home / "rosters", settings.pins, fetch), me=me, kind="host")
