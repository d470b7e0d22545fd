"""The host beside the coordinator: a child process, started again when it dies, that ends with its parent.

Doesn't know what a host does; it meets the coordinator on the wire like any other.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from pathlib import Path

from atoll.service.coordinator._answers import log
from atoll.wire import Address, Backoff

GRACE = 10.0  # seconds to end in


async def keep_host(address: Address, home: Path) -> None:
    """Keep a host running until cancelled."""
    settings = {
        "coordinator": {"url": address.url, "token": address.token, "ca": address.ca},
        "name": "embedded", "home": str(home / "host"), "objects": str(home / "objects"),
    }  # fmt: skip
    backoff = Backoff()
    while True:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "atoll.service.host", "-", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
        )  # fmt: skip
        try:
            assert child.stdin
            child.stdin.write(json.dumps(settings).encode() + b"\n")
            await child.stdin.drain()
            code = await child.wait()
        except asyncio.CancelledError:
            await _end(child)
            raise
        except ConnectionError:
            code = await child.wait()
        log.warning("the host beside this coordinator ended (%s); it is started again", code)
        await asyncio.sleep(backoff.next())


async def _end(child: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError, ConnectionError):
        assert child.stdin
        child.stdin.close()
        child.terminate()
    try:
        await asyncio.wait_for(child.wait(), GRACE)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()
