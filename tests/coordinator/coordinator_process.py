"""A coordinator as a process, for tests that come through its door."""

from __future__ import annotations

import json
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from atoll.wire import Address, Client


class Process:
    """Started in a folder of its own; `client` speaks to it."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.home = folder / "home"
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            self.port = listening.getsockname()[1]
        path = folder / "settings.json"
        path.write_text(
            json.dumps({"home": str(self.home), "port": self.port, "embedded_host": False, **settings})
        )
        self.log = folder / "log"
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen(
                [sys.executable, "-m", "atoll.service.coordinator", str(path)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        until = time.monotonic() + 30
        while not (self.home / "address").exists():
            assert self.child.poll() is None, self.log.read_text()
            assert time.monotonic() < until, self.log.read_text()
            select.select([], [], [], 0.01)
        told = json.loads((self.home / "address").read_text())
        self.address = Address(told["url"], token=(self.home / "token").read_text(), ca=told["ca"])
        self.client = Client(self.address, agent="test", patience=0.0)

    def end(self) -> int:
        """Ask it to end; its exit status."""
        self.client.close()
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
        return self.child.wait(20)
