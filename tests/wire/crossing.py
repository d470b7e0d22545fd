"""One connection through a faulty way, and what can become of a request on it.

Doesn't know how fates are drawn.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from faulty_way import FaultyWay

Kind = Literal["well", "reset", "cut", "silence", "damaged", "twice", "again-later", "held-back"]
UP, DOWN = "up", "down"
WHOLE = 1 << 20  # bytes of a request that is kept, to be sent twice or later; longer ones are not
PIECE = 1 << 16
Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Fate(NamedTuple):
    """What becomes of a request and its answer.

    `reset`: after so many bytes in a direction both sides are reset; `cut`: both are closed in order; `silence`: nothing is
    forwarded any more, and both stay open; `damaged`: the byte there is another; `twice`: it is sent on a second connection
    too, at once; `again-later`: once the next request of anybody was answered; `held-back`: it is sent only then.
    """

    kind: Kind = "well"
    direction: str = DOWN
    after: int = 0  # bytes


class Crossing:
    """One connection through the way."""

    def __init__(self, way: FaultyWay, down: Ends, up: Ends, chance: random.Random) -> None:
        self._way, self._chance = way, chance
        self._from_client, self._to_client = down
        self._from_server, self._to_server = up
        self._fate, self._went = Fate(), {UP: 0, DOWN: 0}
        self._overtook: list[asyncio.Event] = []
        self._silent = self._over = False

    async def ask(self) -> None:
        """From the client to the server."""
        how = end
        try:
            while await (self._request() if self._way.http else self._stream()):
                pass
        except asyncio.IncompleteReadError:
            pass
        except (OSError, ValueError):
            how = reset
        if not self._silent:
            self.end(how)

    async def answer(self) -> None:
        """From the server to the client."""
        how = end
        try:
            while piece := await self._from_server.read(PIECE):
                await self._late()
                await self._forward(DOWN, piece)
                while self._overtook:
                    self._overtook.pop().set()
        except OSError:
            how = reset
        if not self._silent:
            self.end(how)

    def end(self, how: Callable[[asyncio.StreamWriter], None]) -> None:
        """Close both sides."""
        if not self._over:
            self._over = True
            how(self._to_client)
            how(self._to_server)

    async def _request(self) -> bool:
        head = await self._from_client.readuntil(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        left = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
        self._draw(head.split(b" ", 2)[1].decode("latin-1"))
        await self._late()
        if left <= WHOLE:
            await self._whole(head + await self._from_client.readexactly(left))
        else:
            self._overtook += self._way.passes()
            await self._forward(UP, head)
            while left:
                piece = await self._from_client.read(min(PIECE, left))
                if not piece:
                    return False
                left -= len(piece)
                await self._forward(UP, piece)
        return True

    async def _stream(self) -> bool:
        self._draw()
        while piece := await self._from_client.read(PIECE):
            await self._late()
            await self._forward(UP, piece)
        return False

    def _draw(self, target: str = "") -> None:
        self._fate, self._went = self._way.fate(self._chance, target), {UP: 0, DOWN: 0}

    async def _whole(self, request: bytes) -> None:
        kind = self._fate.kind
        if kind in ("twice", "again-later", "held-back"):
            self._way.done[kind] += 1
        if kind == "held-back":
            await self._way.overtaken()
        elif kind in ("twice", "again-later"):
            self._way.aside(request, later=kind == "again-later")
        self._overtook += self._way.passes()
        await self._forward(UP, request)

    async def _late(self) -> None:
        if self._way.latency:
            await asyncio.sleep(self._chance.uniform(0, self._way.latency))

    async def _forward(self, direction: str, piece: bytes) -> None:
        """Forward as much as fate lets through."""
        if self._silent or self._over:
            return
        fate, went = self._fate, self._went[direction]
        self._went[direction] = went + len(piece)
        if fate.kind == "damaged" and fate.direction == direction and went <= fate.after < went + len(piece):
            at = fate.after - went
            piece = piece[:at] + bytes([piece[at] ^ 0xFF]) + piece[at + 1 :]
            self._way.done[fate.kind] += 1
        target = self._to_server if direction == UP else self._to_client
        doomed = fate.kind in ("reset", "cut", "silence") and fate.direction == direction
        fatal = doomed and went + len(piece) > fate.after
        target.write(piece := piece[: fate.after - went] if fatal else piece)
        self._way.passed[direction] += len(piece)
        await target.drain()
        if fatal and not self._over:
            self._way.done[fate.kind] += 1
            if fate.kind == "silence":
                self._silent = True  # what comes is read on, and goes nowhere
            else:
                self.end(reset if fate.kind == "reset" else end)


def reset(writer: asyncio.StreamWriter) -> None:
    """Close it so that the other side gets a reset."""
    with contextlib.suppress(OSError):
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


def end(writer: asyncio.StreamWriter) -> None:
    """Close it once all is sent."""
    writer.close()
