"""Slow-loris connections, as a process of their own: they begin requests and don't end them, or never read the answers.

Does not know what is measured meanwhile. Whatever the coordinator closes is opened again a second later. It prints `ready` when all
stand, and a JSON document with what became of them when its standard input ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sys
import time
from collections import Counter
from typing import Any

KINDS = (
    "half a head",
    "half a head, byte by byte",
    "half a body",
    "half a body, byte by byte",
    "half a body of a stranger",
    "reads nothing",
    "says nothing",
)
DRIP = 2.0  # seconds from byte to byte


def main() -> None:
    host, port, token, count = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    asyncio.run(_stand(host, port, token, count))


async def _stand(host: str, port: int, token: str, count: int) -> None:
    told: dict[str, Any] = {"opened": Counter(), "lasted": {kind: [] for kind in KINDS}, "failed": 0}
    standing = asyncio.Semaphore(0)
    tasks = [
        asyncio.create_task(_keep(host, port, token, KINDS[i % len(KINDS)], told, standing))
        for i in range(count)
    ]
    for _ in range(count):
        await standing.acquire()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    lasted = {kind: [min(x), max(x)] for kind, x in told["lasted"].items() if x}
    print(json.dumps({"opened": told["opened"], "closed after seconds": lasted, "failed": told["failed"]}))


async def _keep(
    host: str, port: int, token: str, kind: str, told: dict[str, Any], standing: asyncio.Semaphore
) -> None:
    stood = False
    while True:
        try:
            reader, writer = await asyncio.open_connection(host, port, limit=1024)
            told["opened"][kind] += 1
            begun = time.monotonic()
            if not stood:
                standing.release()
                stood = True
            try:
                with contextlib.suppress(OSError):  # it was reset
                    await _pester(kind, token, reader, writer)
                told["lasted"][kind].append(round(time.monotonic() - begun, 1))
                await asyncio.sleep(1)  # the pause of an attacker, no synchronisation
            finally:
                writer.transport.abort()
        except OSError:
            told["failed"] += 1
            await asyncio.sleep(1)


async def _pester(kind: str, token: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until the other side closes."""
    known = "wrong" if "stranger" in kind else token
    head = f"POST /v1/node/poll HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {known}\r\n"
    body = f"{head}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{"
    if kind == "reads nothing":
        ask = b"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(ask * 200)
        while not writer.transport.is_closing():
            await asyncio.sleep(DRIP)
            writer.write(ask)
            await asyncio.wait_for(writer.drain(), 3600)
        return
    if kind != "says nothing":
        writer.write((body if "body" in kind else head).encode())
    drip = asyncio.create_task(_drip(writer)) if "byte by byte" in kind else None
    try:
        while await reader.read(4096):
            pass
    finally:
        if drip is not None:
            drip.cancel()


async def _drip(writer: asyncio.StreamWriter) -> None:
    while True:
        await asyncio.sleep(DRIP * random.uniform(0.5, 1.5))
        writer.write(b"x")


if __name__ == "__main__":
    main()
