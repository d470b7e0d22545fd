"""Slow-loris connections, as a process of their own: they begin requests and don't end them, or never read the answers.

Does not know what is measured meanwhile. Without a token, what is open to everybody is asked; one kind doesn't even begin TLS. Whatever the coordinator closes is opened again five seconds later. It prints `ready` when all
stand, and a JSON document with what became of them when its standard input ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import ssl
import sys
import time
from collections import Counter
from typing import Any
from urllib.parse import SplitResult, urlsplit

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
AGAIN = 5.0  # seconds from a close to the next connection


def main() -> None:
    url, token, count = urlsplit(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    asyncio.run(_stand(url, token, count))


async def _stand(url: SplitResult, token: str, count: int) -> None:
    told: dict[str, Any] = {"opened": Counter(), "lasted": {kind: [] for kind in KINDS}, "failed": 0}
    standing = asyncio.Semaphore(0)
    pestering = [
        asyncio.create_task(_keep(url, token, KINDS[i % len(KINDS)], told, standing)) for i in range(count)
    ]
    for _ in pestering:
        await standing.acquire()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    lasted = {kind: [min(x), max(x)] for kind, x in told["lasted"].items() if x}
    print(
        json.dumps({"opened": told["opened"], "closed after seconds": lasted, "failed": told["failed"]}),
        flush=True,
    )
    os._exit(0)  # the system closes all at once


async def _keep(
    url: SplitResult, token: str, kind: str, told: dict[str, Any], standing: asyncio.Semaphore
) -> None:
    stood = False
    secure = _any_authority() if url.scheme == "https" and kind != "says nothing" else None
    while True:
        try:
            reader, writer = await asyncio.open_connection(url.hostname, url.port, limit=1024, ssl=secure)
            told["opened"][kind] += 1
            begun = time.monotonic()
            if not stood:
                standing.release()
                stood = True
            try:
                with contextlib.suppress(OSError):  # it was reset
                    await _pester(kind, token, reader, writer)
                told["lasted"][kind].append(round(time.monotonic() - begun, 1))
                await asyncio.sleep(AGAIN)  # the pause of an attacker, no synchronisation
            finally:
                writer.transport.abort()
        except OSError:
            told["failed"] += 1
            await asyncio.sleep(AGAIN)


async def _pester(kind: str, token: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until the other side closes."""
    known = "wrong" if "stranger" in kind else token
    path = "/v1/node/poll" if known else "/v1/enrol"  # which is open to whoever comes
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {known}\r\n"
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


def _any_authority() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


async def _drip(writer: asyncio.StreamWriter) -> None:
    while True:
        await asyncio.sleep(DRIP * random.uniform(0.5, 1.5))
        writer.write(b"x")


if __name__ == "__main__":
    main()
