"""A way to a server on which things go wrong: latency, resets, cuts, silence, requests that come twice or out of order.

    with FaultyWay(port, seed=7, chances={"reset": 0.02, "twice": 0.05}, latency=0.005) as way:
        ... http://127.0.0.1:{way.port} ...

Doesn't know what the requests mean. Each connection draws its fates from a stream of its own, made of the seed and its number:
the same connection with the same requests meets the same fate. What was done is in `way.done`.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import socket
import struct
import threading
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Mapping
from typing import Literal, NamedTuple, Self

Kind = Literal["well", "reset", "cut", "silence", "twice", "again-later", "held-back"]
UP, DOWN = "up", "down"
WHOLE = 1 << 20  # bytes of a request that is kept, to be sent twice or later; longer ones are not
HELD = 0.5  # seconds for which a request is held back when no other overtakes it
_PIECE = 1 << 16
_Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Fate(NamedTuple):
    """What becomes of a request and its answer.

    `reset`: after so many bytes in a direction both sides are reset; `cut`: both are closed in order; `silence`: nothing is
    forwarded any more, and both stay open; `twice`: it is sent on a second connection too, at once; `again-later`:
    once the next request of anybody was answered; `held-back`: it is sent only then.
    """

    kind: Kind = "well"
    direction: str = DOWN
    after: int = 0  # bytes


class FaultyWay:
    """Listens on `port` and forwards to a port of this machine. `chances`: how likely each kind is for one request.

    `http=False`: for TLS, say; a whole connection is then one request, and can't be repeated or held back.
    `reach`: bytes within which something goes wrong; the logarithm is uniform, so that heads are hit as bodies are.
    `latency`: seconds at most, for each piece each way.
    """

    def __init__(
        self,
        target: int,
        *,
        seed: int = 0,
        chances: Mapping[Kind, float] | None = None,
        latency: float = 0.0,
        reach: int = 1 << 20,
        http: bool = True,
        port: int = 0,
    ) -> None:
        self.target, self.http, self._seed, self._reach = target, http, seed, reach
        self.chances: Mapping[Kind, float] = dict(chances or {})
        self.latency = latency
        self.done: Counter[str] = Counter()
        self.connections = 0
        self._scripted: deque[Fate] = deque()
        self._held: list[asyncio.Event] = []
        self._open: set[_Crossing] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._over = self._loop.create_future()
        listening = socket.create_server(("127.0.0.1", port), backlog=1024)
        self.port: int = listening.getsockname()[1]
        self._thread = threading.Thread(
            target=self._loop.run_until_complete, args=(self._serve(listening),), daemon=True
        )
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def next(self, *fates: Fate) -> None:
        """What becomes of the next requests, whatever the chances are."""
        self._scripted.extend(fates)

    def calm(self) -> None:
        """Nothing goes wrong from now on; who was met with silence is let go."""
        self.chances, self.latency = {}, 0.0
        self._scripted.clear()
        self.break_all()

    def break_all(self) -> None:
        """Reset every connection that is open."""
        self._loop.call_soon_threadsafe(self._break_all)

    def close(self) -> None:
        """End everything."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._over.set_result, None)
            self._thread.join()
            self._loop.close()

    # -- for the crossings ---------------------------------------------------------------------------------

    def fate(self, chance: random.Random) -> Fate:
        """Draw what becomes of one request."""
        drawn, direction = chance.random(), chance.choice((UP, DOWN))
        after = int(math.exp(chance.uniform(0, math.log(self._reach))))
        if self._scripted:
            return self._scripted.popleft()
        for kind, share in self.chances.items():
            drawn -= share
            if drawn < 0:
                return Fate(kind, direction, after)
        return Fate()

    def passes(self) -> list[asyncio.Event]:
        """A request goes by; who is held back goes on when what is returned is set: once it has been answered."""
        held, self._held = self._held, []
        return held

    async def overtaken(self) -> None:
        """Wait until another request has gone by and been answered."""
        turn = asyncio.Event()
        self._held.append(turn)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(turn.wait(), HELD)

    def aside(self, request: bytes, *, later: bool) -> None:
        """Send a request on a connection of its own; nobody hears the answer."""
        self._begin(self._repeat(request, later))

    async def dial(self) -> _Ends:
        """A connection to the target."""
        return await asyncio.open_connection("127.0.0.1", self.target, limit=_PIECE)

    # -- inside --------------------------------------------------------------------------------------------

    async def _serve(self, listening: socket.socket) -> None:
        async with await asyncio.start_server(self._accept, sock=listening, limit=_PIECE):
            await self._over
            self._break_all()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, *down: *_Ends) -> None:
        self.connections += 1
        self._begin(self._cross(down, random.Random(f"{self._seed}/{self.connections}")))

    async def _cross(self, down: _Ends, chance: random.Random) -> None:
        try:
            up = await self.dial()
        except OSError:  # as if nobody listened here either
            reset(down[1])
            return
        crossing = _Crossing(self, down, up, chance)
        self._open.add(crossing)
        try:
            await asyncio.gather(crossing.ask(), crossing.answer())
        finally:
            crossing.end(reset)
            self._open.discard(crossing)

    async def _repeat(self, request: bytes, later: bool) -> None:
        if later:
            await self.overtaken()
        with contextlib.suppress(OSError):
            reader, writer = await self.dial()
            try:
                writer.write(request)
                await asyncio.wait_for(reader.read(_PIECE), 30)
            finally:
                writer.close()

    def _break_all(self) -> None:
        for crossing in list(self._open):
            crossing.end(reset)

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Crossing:
    """One connection through the way."""

    def __init__(self, way: FaultyWay, down: _Ends, up: _Ends, chance: random.Random) -> None:
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
            while piece := await self._from_server.read(_PIECE):
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
        self._draw()
        await self._late()
        if left <= WHOLE:
            await self._whole(head + await self._from_client.readexactly(left))
        else:
            self._overtook += self._way.passes()
            await self._forward(UP, head)
            while left:
                piece = await self._from_client.read(min(_PIECE, left))
                if not piece:
                    return False
                left -= len(piece)
                await self._forward(UP, piece)
        return True

    async def _stream(self) -> bool:
        self._draw()
        while piece := await self._from_client.read(_PIECE):
            await self._late()
            await self._forward(UP, piece)
        return False

    def _draw(self) -> None:
        self._fate, self._went = self._way.fate(self._chance), {UP: 0, DOWN: 0}

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
        target = self._to_server if direction == UP else self._to_client
        doomed = fate.kind in ("reset", "cut", "silence") and fate.direction == direction
        fatal = doomed and went + len(piece) > fate.after
        target.write(piece[: fate.after - went] if fatal else piece)
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
