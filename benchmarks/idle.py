"""Weighs a coordinator that a thousand idle nodes wait on: its memory for each of them, and its CPU.

Does not know nodes: each is one keep-alive connection that says hello and polls, as a node's link does.
"""

from __future__ import annotations

import asyncio
import secrets
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from _federation import Federation, cpu, private
from _report import Report, arguments
from atoll.wire import Hello, Orders, Poll, Welcome


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=30.0, help="for which they are watched")
    options = parser.parse_args()
    report = Report("idle")
    with tempfile.TemporaryDirectory() as folder, Federation(Path(folder), nodes=0) as federation:
        found = asyncio.run(_watched(federation, options))
    report.add("memory for each", found["bytes"] / options.nodes / 1000, "KB", at_most=100, by="value")
    report.add(
        "CPU",
        found["cpu"] * 100,
        "% of a core",
        at_most=5,
        by="value",
        note=f"{found['polls']:.0f} polls a second",
    )
    report.details = {"setting": vars(options), **found}
    report.show(as_json=options.json)


async def _watched(federation: Federation, options: Any) -> dict[str, float]:
    coordinator = federation.daemons["coordinator"].pid
    before = private(coordinator)
    nodes = [_Node(federation, f"idle-{i}") for i in range(options.nodes)]
    for first in range(0, len(nodes), 50):
        await asyncio.gather(*(node.hello() for node in nodes[first : first + 50]))
    polling = [asyncio.create_task(node.poll()) for node in nodes]
    await asyncio.sleep(10)  # until the first wave of polls has spread
    spent, polls, begun = cpu([coordinator]), sum(n.polls for n in nodes), time.monotonic()
    await asyncio.sleep(options.seconds)  # what is measured is how little happens meanwhile
    lasted = time.monotonic() - begun
    found = {
        "bytes": float(private(coordinator) - before),
        "cpu": (cpu([coordinator]) - spent) / lasted,
        "polls": (sum(n.polls for n in nodes) - polls) / lasted,
    }
    for task in polling:
        task.cancel()
    ended = await asyncio.gather(*polling, return_exceptions=True)
    if failed := [e for e in ended if isinstance(e, Exception) and not isinstance(e, asyncio.CancelledError)]:
        raise RuntimeError(f"{len(failed)} nodes failed") from failed[0]
    return found


class _Node:
    def __init__(self, federation: Federation, name: str) -> None:
        self._address, self._name, self.polls = federation.address, name, 0

    async def hello(self) -> None:
        """Connect, and begin a session."""
        url = urlsplit(self._address.url)
        self._reader, self._writer = await asyncio.open_connection(url.hostname, url.port)
        hello = Hello(name=self._name, identity=secrets.token_hex(16), version="1", time=time.time())
        self._welcome = msgspec.json.decode(await self._ask("/v1/node/hello", hello), type=Welcome)

    async def poll(self) -> None:
        """Wait for orders, again and again."""
        wait = self._welcome.beat
        while True:
            body = Poll(name=self._name, session=self._welcome.session, free=1, wait=wait)
            msgspec.json.decode(await self._ask("/v1/node/poll", body), type=Orders)
            self.polls += 1

    async def _ask(self, path: str, message: msgspec.Struct) -> bytes:
        body = msgspec.json.encode(message)
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {self._address.token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._writer.write(head.encode() + body)
        answer = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(answer.split("content-length:")[1].split("\r\n")[0])
        content = await self._reader.readexactly(length)
        if " 200 " not in answer.split("\r\n")[0]:
            raise RuntimeError(content.decode())
        return content


if __name__ == "__main__":
    main()
