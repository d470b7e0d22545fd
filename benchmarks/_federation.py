"""A federation of real processes on loopback, for a benchmark: one coordinator with its host, and nodes.

Does not know what is run on it. The memory and CPU of each process are read from /proc.
"""

from __future__ import annotations

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
    """Started by `with`, ended at its end; every daemon's output lies beside its settings."""

    def __init__(self, folder: Path, *, nodes: int, tls: bool = False) -> None:
        self.folder, self.count, self.tls = folder, nodes, tls
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Federation:
        self.folder.mkdir(parents=True, exist_ok=True)
        home = self.folder / "coordinator"
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            port = listening.getsockname()[1]
        self._start("coordinator", {"home": str(home), "port": port, **({"tls": True} if self.tls else {})})
        where = _when_there(home / "address", self.daemons["coordinator"])
        token = (home / "token").read_text().strip()
        self.address = Address(where["url"], token=token, ca=where.get("ca") or "")
        dial = {"url": self.address.url, "token": token, "ca": self.address.ca}
        for i in range(self.count):
            name = f"node-{i}"
            self._start(name, {"coordinator": dial, "name": name, "home": str(self.folder / name)})
        self.client = Client(self.address, agent="benchmark")
        until = time.monotonic() + 120
        while len(self.here()) < self.count:
            if time.monotonic() > until:
                raise RuntimeError(self.output())
            time.sleep(0.05)
        return self

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

    def context(self, home: Path) -> Mapping[str, str]:
        """The environment in which `atoll ... --on bench` means this federation."""
        env = {"ATOLL_HOME": str(home), "ATOLL_CONFIG": str(home / "contexts")}
        command = [sys.executable, "-m", "atoll", "context", "add", "bench", self.address.url,
                   "--token-file", str(self.folder / "coordinator" / "token")]  # fmt: skip
        if self.address.ca:
            command += ["--ca", self.address.ca]
        subprocess.run(command, check=True, env={**os.environ, **env}, stdout=subprocess.DEVNULL)
        return env

    def output(self) -> str:
        """What the daemons printed last."""
        return "\n".join(f"--- {p.stem}\n{p.read_text()[-2000:]}" for p in self.folder.glob("*.log"))

    def _start(self, name: str, settings: Mapping[str, object]) -> None:
        room = "node" if name.startswith("node") else name
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(settings))
        with open(self.folder / f"{name}.log", "wb") as log:
            self.daemons[name] = subprocess.Popen(
                [sys.executable, "-m", f"atoll.service.{room}", str(path)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip


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
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK
