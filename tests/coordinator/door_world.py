"""Requests as they are on the wire, to a coordinator that is a process."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coordinator_process import Process

from atoll.store import digest_bytes

Entry = tuple[str, int, int]


@dataclass(frozen=True)
class Said:
    """An answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return str(self.document["code"])


class Caller:
    """Asks one thing at a time, each on a connection of its own."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.port = int(process.address.url.rpartition(":")[2])

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Said:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            raw = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            given = {"Authorization": f"Bearer {self.process.address.token}", **_headers(headers)}
            connection.request(method, path, raw, {n: v for n, v in given.items() if v})
            answer = connection.getresponse()
            return Said(answer.status, {n.lower(): v for n, v in answer.getheaders()}, answer.read())

    @contextlib.contextmanager
    def begun(self, method: str, path: str, *, length: int, begin: bytes = b"") -> Iterator[socket.socket]:
        """A request that isn't all sent."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            head = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}", f"Content-Length: {length}",
                    f"Authorization: Bearer {self.process.address.token}", "", ""]  # fmt: skip
            connection.sendall("\r\n".join(head).encode() + begin)
            yield connection

    def put(self, entries: list[Entry], *bodies: bytes, federation: str = "default") -> Said:
        return self("PUT", f"/v1/objects?federation={federation}", upload(entries, *bodies))

    def lack(self, objects: dict[str, int]) -> dict[str, int]:
        found = self("POST", "/v1/objects/lack", {"federation": "default", "objects": objects})
        assert found.status == 200, found
        return dict(found.document.get("lack", {}))

    def fetch(self, *pieces: Entry, federation: str = "default") -> Said:
        return self("POST", "/v1/objects/fetch", {"federation": federation, "pieces": pieces})

    def keep(self, *bodies: bytes) -> list[str]:
        """Have these there; their digests."""
        names = [digest_bytes(b) for b in bodies]
        said = self.put([(n, len(b), 0) for n, b in zip(names, bodies, strict=True)], *bodies)
        assert said.document == {"stored": names}
        return names

    def hello(self, name: str) -> int:
        """Be a node; its session."""
        identity = f"identity-of-{name}-0123456789"
        hello = {"name": name, "identity": identity, "version": "0", "time": time.time()}
        return int(self("POST", "/v1/node/hello", hello).document["session"])


def upload(entries: list[Entry], *bodies: bytes) -> bytes:
    """The body of an upload."""
    listed = json.dumps(entries).encode()
    return len(listed).to_bytes(8, "little") + listed + b"".join(bodies)


def memory(pid: int) -> int:
    """A process's own memory, in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) << 10
    raise AssertionError("this system does not tell")


def random_bytes(count: int) -> bytes:
    return os.urandom(count)


def _headers(given: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in given.items()}
