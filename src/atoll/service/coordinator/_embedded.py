"""The host beside the coordinator: a child process, started again when it dies, that ends with its parent.

Doesn't know what a host does; it meets the coordinator on the wire like any other.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from pathlib import Path

from atoll.service.coordinator._answers import log
from atoll.wire import Address, Backoff

GRACE = 5.0  # seconds to end in
STEADY = 60.0  # seconds after which a death is not one in a row


async def keep_host(address: Address, home: Path) -> None:
    """Keep a host running until cancelled; then end it."""
    settings = {
        "coordinator": {k: getattr(address, k) for k in ("url", "token", "ca", "key", "audience")},
        "name": "embedded", "home": str(home / "host"), "objects": str(home / "objects"),
    }  # fmt: skip
    _keep_what_was_handed_over()
    backoff = Backoff()
    while True:
        began = time.monotonic()
        why = await _once(json.dumps(settings).encode())
        if time.monotonic() - began > STEADY:
            backoff = Backoff()
        pause = backoff.next()
        log.warning("the host beside this coordinator ended (%s); it is started again in %.1f s", why, pause)
        await asyncio.sleep(pause)


def _keep_what_was_handed_over() -> None:
    """Let no child have what this process was given to hold, such as the lock of `atoll up`: a host that outlives a killed
    coordinator for a moment would pass for it. (uvloop closes nothing in the processes that it starts.)"""
    try:
        held = [int(name) for name in os.listdir("/dev/fd")]
    except OSError:
        return
    for descriptor in held:
        if descriptor > 2:
            with contextlib.suppress(OSError):  # the one that listed them
                os.set_inheritable(descriptor, False)


async def _once(settings: bytes) -> str:
    """Run it to its end; how that was, in words."""
    try:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "atoll.service.host", "-", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
        )  # fmt: skip
    except OSError as error:
        return str(error)
    assert child.stdin
    try:
        with contextlib.suppress(ConnectionError):
            child.stdin.write(settings + b"\n")
            await child.stdin.drain()  # the pipe stays open: its end is the host's
        code = await child.wait()
        return f"signal {-code}" if code < 0 else f"exit status {code}"
    except asyncio.CancelledError:
        await _end(child)
        raise


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
