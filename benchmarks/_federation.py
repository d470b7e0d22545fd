"""A federation of real processes on loopback, for a benchmark: one coordinator with its host, and nodes.

Does not know what is run on it. The memory and CPU of each process are read from /proc.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from atoll.wire import Address, Client, NodeList

TICK = os.sysconf("SC_CLK_TCK")


class Federation:
    """Started by `with`, ended at its end; every daemon's output lies beside its settings.

    `keys`: everybody is known by a key, over TLS: an administrator has logged in, nodes were invited and have joined.
    """

    def __init__(self, folder: Path, *, nodes: int, tls: bool = False, keys: bool = False) -> None:
        self.folder, self.count, self.tls, self.keys = folder, nodes, tls, keys
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}
        self._env = {"ATOLL_HOME": str(folder / "home"), "ATOLL_CONFIG": str(folder / "home" / "contexts")}

    def __enter__(self) -> Federation:
        self.folder.mkdir(parents=True, exist_ok=True)
        home = self.folder / "coordinator"
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            port = listening.getsockname()[1]
        secure = {"tls": True} if self.tls or self.keys else {}
        public = {"public_url": f"https://localhost:{port}"} if self.keys else {}
        self._start("coordinator", {"home": str(home), "port": port, **secure, **public})
        where = _when_there(home / "address", self.daemons["coordinator"])
        if self.keys:
            self._enrol((home / "first-administrator").read_text().strip())
        else:
            self._let_in(where, (home / "token").read_text().strip())
        self.client = Client(self.address, agent="benchmark")
        until = time.monotonic() + 120
        while len(self.here()) < self.count:
            if time.monotonic() > until:
                raise RuntimeError(self.output())
            time.sleep(0.05)
        return self

    def _let_in(self, where: Mapping[str, str], token: str) -> None:
        """Nodes that have the token, and a context that has it."""
        self.address = Address(where["url"], token=token, ca=where.get("ca") or "")
        dial = {"url": self.address.url, "token": token, "ca": self.address.ca}
        for i in range(self.count):
            name = f"node-{i}"
            self._start(name, {"coordinator": dial, "name": name, "home": str(self.folder / name)})
        ca = ("--ca", self.address.ca) if self.address.ca else ()
        self._atoll("context", "add", "bench", self.address.url, "--token-file",
                    str(self.folder / "coordinator" / "token"), *ca)  # fmt: skip

    def _enrol(self, link: str) -> None:
        """An administrator and nodes that have keys, the administrator's a context."""
        self._atoll("login", link, "--context", "bench")
        for i in range(self.count):
            name = f"node-{i}"
            told = self._atoll("invite", "node", name, "--on", "bench", "--json")
            self._atoll("node", "join", json.loads(told)["link"], "--home", str(self.folder / name))
            self._run(name, ["-m", "atoll", "node", "start", "--home", str(self.folder / name)])
        place = json.loads((self.folder / "home" / "contexts" / "contexts.json").read_bytes())["contexts"][
            "bench"
        ]
        self.address = Address(
            place["url"], ca=place.get("ca", ""), key=place["key"], audience=place["audience"]
        )

    def __exit__(self, *_: object) -> None:
        self.client.close()
        for daemon in reversed(self.daemons.values()):
            daemon.terminate()
        for daemon in self.daemons.values():
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()

    def here(self) -> list[str]:
        """The nodes that are there."""
        found = self.client.call("GET", "/v1/nodes", None, NodeList).nodes
        return [node.name for node in found if node.status == "here"]

    def settle(self) -> None:
        """Wait until nobody is busy: processes that are kept ready have started."""
        busy = True
        while busy:
            pids = [pid for daemon in self.daemons.values() for pid in descendants(daemon.pid)]
            before = cpu(pids)
            time.sleep(0.3)  # what is measured is how little happens meanwhile
            busy = cpu(pids) - before > 0.03

    def context(self) -> Mapping[str, str]:
        """The environment in which `atoll ... --on bench` means this federation."""
        return self._env

    def output(self) -> str:
        """What the daemons printed last."""
        return "\n".join(f"--- {p.stem}\n{p.read_text()[-2000:]}" for p in self.folder.glob("*.log"))

    def _atoll(self, *words: str) -> bytes:
        env = {**os.environ, **self._env}
        done = subprocess.run(
            [sys.executable, "-m", "atoll", *words], env=env, capture_output=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"atoll {' '.join(words)}: {done.stderr.decode()}\n{self.output()}")
        return done.stdout

    def _start(self, name: str, settings: Mapping[str, object]) -> None:
        room = "node" if name.startswith("node") else name
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(settings))
        self._run(name, ["-m", f"atoll.service.{room}", str(path)])

    def _run(self, name: str, words: Sequence[str]) -> None:
        with open(self.folder / f"{name}.log", "wb") as log:
            self.daemons[name] = subprocess.Popen(
                [sys.executable, *words], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )


def _when_there(path: Path, daemon: subprocess.Popen[bytes]) -> dict[str, str]:
    until = time.monotonic() + 30
    while not path.exists():
        if daemon.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"the coordinator did not start: see {path.parent.parent}")
        time.sleep(0.01)
    found: dict[str, str] = json.loads(path.read_text())
    return found


def descendants(pid: int) -> list[int]:
    """A process and all that it started, directly or not."""
    parents: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = Path(f"/proc/{entry}/stat").read_text()
            except OSError:
                continue
            parents.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry))
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        todo += parents.get(found[-1], [])
    return found


def private(pid: int) -> int:
    """Bytes of memory that are no file's: RssAnon and RssShmem."""
    text = Path(f"/proc/{pid}/status").read_text()
    return sum(int(x.split()[1]) * 1024 for x in text.splitlines() if x.startswith(("RssAnon", "RssShmem")))


def cpu(pids: Sequence[int]) -> float:
    """Seconds of CPU that processes have used."""
    total = 0
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # one that has ended meanwhile
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total / TICK
