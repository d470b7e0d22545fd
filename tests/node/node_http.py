"""The fake coordinator behind HTTP, and a daemon that is a process of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import msgspec
from node_world import Connection, World

from atoll.service.node import NodeSettings
from atoll.values import AtollError
from atoll.wire import Address, Answer, Hello, Lines, Ok, Poll, ProbeResult, Problem


class Door(BaseHTTPRequestHandler):
    """Requests of daemons, given to the world."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer in one piece
    world: World
    bundle: bytes

    def do_GET(self) -> None:
        self._send(200, self.bundle)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            self._send(200, msgspec.json.encode(self._answer(self.path.rpartition("/")[2], body)))
        except AtollError as error:
            problem = Problem(code=error.code, message=error.message)
            self._send(getattr(error, "status", 503), msgspec.json.encode(problem))

    def _answer(self, what: str, body: bytes) -> Any:
        connection = Connection(self.world)
        if what == "hello":
            msgspec.json.decode(body, type=Hello)
            return connection.hello({}, [])
        types = {"poll": Poll, "reply": Answer, "lines": Lines, "probed": ProbeResult}
        message: Any = msgspec.json.decode(body, type=types[what])
        connection.session = message.session
        if what == "poll":
            return connection.poll(message.have, message.free, message.wait)
        if what == "reply":
            return connection.reply(message)
        if what == "lines":
            connection.lines(message.lines)
        else:
            connection.probed(message.id, message.problems, message.versions, message.data)
        return Ok()

    def _send(self, status: int, body: bytes) -> None:
        with contextlib.suppress(OSError):  # whoever asked was killed
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextlib.contextmanager
def door(world: World, bundle: bytes = b"") -> Iterator[str]:
    """Serve a world; gives its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("_Door", (Door,), {"world": world, "bundle": bundle}))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


class Process:
    """A daemon of its own, for a `with`; one that is killed by its failpoint begins again without it."""

    def __init__(self, folder: Path, url: str, *, failpoint: str = "", **settings: Any) -> None:
        self._failpoint = failpoint
        self._file = folder / "settings.json"
        known = {"coordinator": Address(url), "name": "n", "home": str(folder / "home")}
        self._file.write_bytes(msgspec.json.encode(NodeSettings(**{**known, **settings})))
        self.exits: list[int] = []
        self._over = False
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self.child = self._start({"ATOLL_FAILPOINT": self._failpoint})
        threading.Thread(target=self._again, args=(self.child,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._over = True
        try:
            self.end()
        finally:
            self.child.kill()
            self.child.wait()

    def end(self) -> int:
        self.child.send_signal(signal.SIGTERM)
        return self.child.wait(20)

    def _again(self, child: subprocess.Popen[bytes]) -> None:
        self.exits.append(child.wait())
        with self._lock:
            if self.exits[-1] == -signal.SIGKILL and not self._over:
                self.child = self._start({})

    def _start(self, extra: dict[str, str]) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "atoll.service.node", str(self._file)]
        return subprocess.Popen(command, env={**os.environ, **extra}, stdout=subprocess.PIPE)
