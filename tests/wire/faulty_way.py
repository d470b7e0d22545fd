"""A way to a server on which things go wrong: latency, resets, cuts, silence, damage, requests that come twice or out of order.

    with FaultyWay(port, seed=7, chances={"reset": 0.02, "twice": 0.05}, latency=0.005) as way:
        ... http://127.0.0.1:{way.port} ...

Doesn't know what the requests mean. Each connection draws its fates from a stream of its own, made of the seed and its number:
the same connection with the same requests meets the same fate. What was done is in `way.done`, and in `way.passed` how many bytes
went through.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import socket
import threading
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Mapping
from typing import Self

from crossing import DOWN, PIECE, UP, Crossing, Ends, Fate, Kind, reset

HELD = 0.5  # seconds for which a request is held back when no other overtakes it


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
        self.choose: Callable[[str], Fate | None] = lambda target: None
        self.done: Counter[str] = Counter()
        self.passed: Counter[str] = Counter()  # bytes, by direction
        self.connections = 0
        self._scripted: deque[Fate] = deque()
        self._held: list[asyncio.Event] = []
        self._open: set[Crossing] = set()
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
        """What becomes of the next requests, whatever the chances are. `choose` goes before: it is given a request's target."""
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
        if self._loop.is_closed():
            return
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._over.set_result, None)
        self._thread.join()
        self._loop.close()

    # -- for the crossings ---------------------------------------------------------------------------------

    def fate(self, chance: random.Random, target: str = "") -> Fate:
        """Draw what becomes of one request."""
        drawn, direction = chance.random(), chance.choice((UP, DOWN))
        after = int(math.exp(chance.uniform(0, math.log(self._reach))))
        if (chosen := self.choose(target)) is not None:
            return chosen
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

    async def dial(self) -> Ends:
        """A connection to the target."""
        return await asyncio.open_connection("127.0.0.1", self.target, limit=PIECE)

    # -- inside --------------------------------------------------------------------------------------------

    async def _serve(self, listening: socket.socket) -> None:
        async with await asyncio.start_server(self._accept, sock=listening, limit=PIECE):
            await self._over
            self._break_all()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, *down: *Ends) -> None:
        self.connections += 1
        self._begin(self._cross(down, random.Random(f"{self._seed}/{self.connections}")))

    async def _cross(self, down: Ends, chance: random.Random) -> None:
        try:
            up = await self.dial()
        except OSError:  # as if nobody listened here either
            reset(down[1])
            return
        crossing = Crossing(self, down, up, chance)
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
                await asyncio.wait_for(reader.read(PIECE), 30)
            finally:
                writer.close()

    def _break_all(self) -> None:
        for crossing in list(self._open):
            crossing.end(reset)

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
