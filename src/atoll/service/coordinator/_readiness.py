"""Whether the coordinator can do its work now: it isn't ending, and what is said to it can be written.

Doesn't know who asks; however many do, it looks once a second.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from pathlib import Path

from atoll.service.coordinator._desk import Desk
from atoll.values import AtollError

_FRESH, _PATIENCE = 1.0, 5.0  # seconds
_LEAST = 64 << 20  # bytes free, below which a store takes no objects


class Readiness:
    """`ending`: nothing new is taken on."""

    def __init__(self, desk: Desk, home: Path) -> None:
        self._desk, self._home = desk, home
        self.ending = False
        self._found, self._looked = "", 0.0
        self._looking: asyncio.Task[str] | None = None

    async def why_not(self) -> str:
        """What is in the way; "" when nothing is."""
        if self.ending:
            return "draining"
        if self._looking is None or (self._looking.done() and time.monotonic() > self._looked + _FRESH):
            self._looking = asyncio.create_task(self._look())
        return await asyncio.shield(self._looking)

    async def _look(self) -> str:
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._desk.durable()
                await asyncio.to_thread(_write, self._home)
            return "stalled" if self._desk.readings()["stalled"] else ""
        except TimeoutError:
            return "the disk does not answer"
        except AtollError as error:
            return error.message
        except OSError as error:
            return f"the disk can't be written: {error.strerror}"
        finally:
            self._looked = time.monotonic()


def _write(home: Path) -> None:
    with tempfile.TemporaryFile(dir=home / "objects") as file:
        file.write(b"x")
        file.flush()
    if shutil.disk_usage(home).free < _LEAST:
        raise OSError(0, "it is full")
