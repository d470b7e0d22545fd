"""A coordinator as a process, for tests that come through its door."""

from __future__ import annotations

import contextlib
import json
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

from atoll.wire import Address, Client


class Process:
    """In a folder of its own; `client` speaks to it. It does not outlive its `with`."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.home = folder / "home"
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            self.port = listening.getsockname()[1]
        self._settings = folder / "settings.json"
        self._settings.write_text(
            json.dumps({"home": str(self.home), "port": self.port, "embedded_host": False, **settings})
        )
        self.log = folder / "log"

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            with open(self.log, "ab") as log:
                command = [sys.executable, "-m", "atoll.service.coordinator", str(self._settings)]
                self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            stack.callback(self._gone)
            self._until_it_listens()
            told = json.loads((self.home / "address").read_text())
            self.address = Address(told["url"], token=(self.home / "token").read_text(), ca=told["ca"])
            self.client = Client(self.address, agent="test", patience=0.0)
            stack.callback(self.client.close)
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def end(self) -> int:
        """Ask it to end; its exit status."""
        self.client.close()
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
        return self.child.wait(20)

    def _until_it_listens(self) -> None:
        until = time.monotonic() + 30
        while not (self.home / "address").exists():
            assert self.child.poll() is None, self.log.read_text()
            assert time.monotonic() < until, self.log.read_text()
            select.select([], [], [], 0.01)

    def _gone(self) -> None:
        self.child.kill()
        self.child.wait()
