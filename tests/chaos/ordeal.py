"""A federation of real processes that are killed and started again, with a ledger that only the clients write.

Doesn't know when to kill: a test does. Whoever dies is started again at once, as systemd or Kubernetes would.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from joined import invite
from joined import join as join_by

from atoll.app import read_project
from atoll.identity import Link
from atoll.journal import Committed, Event, Finished, decode
from atoll.store import DirectoryStore
from atoll.surfaces._ordering import ordered
from atoll.values import Arrays
from atoll.wire import (
    Address,
    Client,
    Events,
    NewRun,
    NodeList,
    RunInfo,
    Shelved,
    join,
    pack_bundle,
    pull,
    push,
)

HERE = Path(__file__).parent
APP = HERE / "app"
SEED = 11  # of the run
PATIENCE = 120.0  # seconds without any sign of progress after which an ordeal has failed


class Daemon:
    """A process that is to be there until the end; a thread starts it again when it dies."""

    def __init__(
        self,
        name: str,
        module: str,
        settings: dict[str, object],
        folder: Path,
        environment: Mapping[str, str],
    ) -> None:
        self.name, self._module, self._folder, self._environment = name, module, folder, environment
        self.deaths = 0
        self.failpoint = ""
        self._path = folder / f"{name}.json"
        self._path.write_text(json.dumps(settings))
        self._over = False
        self._lock = threading.Lock()
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._begin()
        self._keeper.start()

    @property
    def pid(self) -> int:
        """Of the process that is there now."""
        return self._child.pid

    @property
    def log(self) -> Path:
        """What it printed."""
        return self._folder / f"{self.name}.log"

    def kill(self) -> None:
        """Kill it as it stands; it is started again."""
        self._child.kill()

    def end(self) -> int:
        """Ask it to end; returns its exit status."""
        with self._lock:
            self._over = True
            self._child.terminate()
        self._keeper.join(30)
        if self._keeper.is_alive():
            self._child.kill()
            self._keeper.join()
        return self._child.returncode

    def _begin(self) -> None:
        env = {**os.environ, **self._environment, "ATOLL_FAILPOINT": self.failpoint}
        self.failpoint = ""
        with open(self.log, "ab") as output:
            self._child = subprocess.Popen(
                [sys.executable, "-m", self._module, str(self._path)],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def _keep(self) -> None:
        while True:
            self._child.wait()
            with self._lock:
                if self._over:
                    return
                self.deaths += 1
                self._begin()


@dataclass
class Noted:
    """What the ledger says: trainings begun and ended by (round, node)."""

    begun: Counter[tuple[int, str]] = field(default_factory=Counter)
    ended: Counter[tuple[int, str]] = field(default_factory=Counter)


class Ordeal:
    """One federation in a folder, and one run on it; every process of it ends with the `with`, and ends well.

    `port`: the coordinator's; `through`: the one that nodes and host dial, if it is another. `embedded`: the host is the
    coordinator's child. `keys`: everybody has joined by invitation, and signs; over TLS. `homes` and `environments`: of
    daemons, by name, where they aren't as everybody's. `app`: the folder of the app that is run.
    """

    def __init__(
        self,
        folder: Path,
        *,
        nodes: int = 8,
        port: int = 0,
        through: int = 0,
        embedded: bool = False,
        keys: bool = False,
        homes: Mapping[str, Path] | None = None,
        environments: Mapping[str, Mapping[str, str]] | None = None,
        app: Path = APP,
    ) -> None:
        self.app = app
        self.folder, self.count, self.embedded, self.keys = folder, nodes, embedded, keys
        self.port = port or free_port()
        self._through = through or self.port
        self._homes, self._environments = homes or {}, environments or {}
        self.daemons: dict[str, Daemon] = {}
        self._ends: dict[str, int] = {}
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self._begin(stack)
            self._open = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._open.close()
        if kind is None:
            well = {0, -signal.SIGTERM}  # the latter: it had only just begun
            assert set(self._ends.values()) <= well, f"{self._ends}\n{self.tails()}"

    def _begin(self, stack: contextlib.ExitStack) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        os.mkfifo(self.folder / "bell")
        self._bell = os.open(self.folder / "bell", os.O_RDWR | os.O_NONBLOCK)
        stack.callback(os.close, self._bell)
        stack.callback(self._end)
        self._start("coordinator", {"port": self.port, "embedded_host": self.embedded, **self._public()})
        self.address = self._enter()
        self.client = Client(self.address, agent="ordeal")
        stack.callback(self.client.close)
        if not self.embedded:
            self._start("host", {**self._dial("host"), "name": "host", "slots": 4})
        for i in range(self.count):
            self._start(f"node-{i}", {**self._dial(f"node-{i}"), "name": f"node-{i}", "slots": 1})
        until = time.monotonic() + 60
        while len(self.client.call("GET", "/v1/nodes", None, NodeList).nodes) < self.count:
            assert time.monotonic() < until, self.tails()
            self._moment()

    def begin(
        self,
        *,
        rounds: int,
        work: float = 0.0,
        floats: int = 1000,
        seed: int = SEED,
        gated: bool = False,
        gates: int | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> str:
        """Begin the run; returns its id. `gated`: no training of a round ends before `open_gate` let it.

        `gates`: how many there are, where it isn't one for each round. `settings`: more of the app's config.
        """
        closed = self.folder / "gates"
        closed.mkdir(exist_ok=True)
        for gate in range(1, (gates or rounds) + 1) if gated else ():
            os.mkfifo(closed / str(gate))
        project, bundle = read_project(self.app), pack_bundle(self.app)
        push(self.client, "default", {bundle.digest: bundle.body})
        self.settings = {**(settings or {}), "rounds": rounds, "floats": floats}
        config = {
            **project.config.plain(),
            **self.settings,
            "work": work,
            "ledger": str(self.ledger),
            "bell": str(self.folder / "bell"),
            "gates": str(closed) if gated else "",
        }
        app = {"name": project.name, "server": project.server, "client": project.client}
        nodes = [f"node-{i}" for i in range(self.count)]
        body = NewRun(
            federation="default", bundle=bundle.digest, app=app, config=config, seed=seed, nodes=nodes
        )
        if self.keys:
            body = ordered(body, Path(self.address.key))
        info = self.client.call("POST", "/v1/runs", body, RunInfo)
        self.run = str(info.summary["id"])
        return self.run

    @property
    def ledger(self) -> Path:
        """Where the clients note what they do."""
        return self.folder / "ledger"

    def hear(self, lines: int, *, patience: float = 1.0) -> None:
        """Wait until so many more trainings have begun or ended, or nothing was heard for so many seconds."""
        for _ in range(lines):
            if not select.select([self._bell], [], [], patience)[0]:
                return
            os.read(self._bell, 1)

    def open_gate(self, round: int) -> None:
        """Let the trainings of a round go on, those to come as well."""
        gate = os.open(
            self.folder / "gates" / str(round), os.O_RDWR
        )  # whoever reads needs somebody who could write
        self._open.callback(os.close, gate)

    def events(self, after: int = 0, wait: float = 0.0) -> tuple[list[tuple[int, Event]], bool]:
        """Events of the run, one page of them, and whether more can come."""
        found = self.client.call(
            "GET", f"/v1/runs/{self.run}/events?after={after}&wait={wait}", None, Events, wait=wait
        )
        return [(n, decode(body)) for n, body in found.events], found.live

    def everything(self) -> list[Event]:
        """All events until now."""
        found: list[tuple[int, Event]] = []
        while page := self.events(found[-1][0] if found else 0)[0]:
            found += page
        return [event for _, event in found]

    def end(self, patience: float = PATIENCE) -> Finished:
        """Wait for the run's end."""
        after, until = 0, time.monotonic() + patience
        while time.monotonic() < until:
            events, _ = self.events(after, wait=5)
            for number, event in events:
                after = number
                until = time.monotonic() + patience
                if isinstance(event, Finished):
                    return event
        raise AssertionError(f"no progress for {patience:g} s\n{self.tails()}")

    def state(self) -> dict[str, Arrays]:
        """What the run ended with: its last committed state by name, the model among it."""
        return self.taken([event.state for event in self.everything() if isinstance(event, Committed)][-1])

    def taken(self, keys: Mapping[str, str]) -> dict[str, Arrays]:
        """What lies on the run's shelf under these keys, by name."""
        asked = "&".join(f"keys={key}" for key in keys.values())
        shelved = self.client.call("GET", f"/v1/runs/{self.run}/shelf?{asked}", None, Shelved)
        store = DirectoryStore(self.folder / "taken")
        found = {}
        for name, key in keys.items():
            pull(self.client, "default", shelved.objects[key].objects, store)
            (found[name],) = join(shelved.objects[key], store.open).values()
        return found

    def noted(self) -> Noted:
        """What the clients noted."""
        noted = Noted()
        for line in self.ledger.read_text().splitlines() if self.ledger.exists() else ():
            what, round, node, _count, _pid = line.split()
            (noted.begun if what == "begin" else noted.ended)[int(round), node] += 1
        return noted

    def home(self, daemon: str) -> Path:
        """Where a daemon keeps what is its own."""
        return self._homes.get(daemon, self.folder / daemon)

    def host(self) -> int | None:
        """The process of the host, if there is one just now."""
        if not self.embedded:
            return self.daemons["host"].pid
        return next(iter(children(self.daemons["coordinator"].pid)), None)

    def tails(self) -> str:
        """The last lines of everybody."""
        return "\n".join(f"--- {d.name} ({d.deaths} deaths)\n{tail(d.log)}" for d in self.daemons.values())

    def wait_for(self, path: Path) -> None:
        """Wait until a daemon has made a file, which is the one thing that tells of it before it listens."""
        until = time.monotonic() + 30
        while not path.exists():
            assert time.monotonic() < until, self.tails()
            self._moment()

    def _public(self) -> dict[str, object]:
        return {"tls": True, "public_url": f"https://127.0.0.1:{self.port}"} if self.keys else {}

    def _enter(self) -> Address:
        """How the one who begins the run comes in: with the coordinator's token, or invited by its first administrator."""
        home = self.home("coordinator")
        if not self.keys:
            self.wait_for(home / "token")
            return Address(f"http://127.0.0.1:{self.port}", token=(home / "token").read_text().strip())
        self.wait_for(home / "address")
        link = Link.read((home / "first-administrator").read_text())
        self.administrator = join_by(link, self.folder / "administrator")
        return join_by(invite(self.administrator, "user", "ada"), self.folder / "ada").address

    def _dial(self, name: str) -> dict[str, object]:
        if not self.keys:
            dial = {"url": f"http://127.0.0.1:{self._through}", "token": self.address.token}
            return {"coordinator": dial}
        return join_by(invite(self.administrator, name.partition("-")[0], name), self.home(name)).daemon()

    def _start(self, name: str, settings: dict[str, object]) -> None:
        room = name.partition("-")[0]
        environment = self._environments.get(name, {})
        settings = {"home": str(self.home(name)), **settings}
        self.daemons[name] = Daemon(name, f"atoll.service.{room}", settings, self.folder, environment)

    def _moment(self) -> None:
        select.select([self._bell], [], [], 0.02)

    def _end(self) -> None:
        """Everybody, nodes and host first."""
        for name, daemon in reversed(self.daemons.items()):
            self._ends[name] = daemon.end()


def children(pid: int) -> list[int]:
    """The processes whose parent this is."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as file:
                    fields = file.read().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == pid and fields[0] != "Z":
                found.append(int(entry))
    return found


def kill(pid: int) -> bool:
    """Kill a process that may be gone by now."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def tail(path: Path, size: int = 3000) -> str:
    """The end of a text file."""
    return path.read_text(errors="replace")[-size:] if path.exists() else ""
