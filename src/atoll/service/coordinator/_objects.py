"""Objects in and out: many in one request, or a range of one.

Doesn't know what they hold. Bytes are read, hashed and written by threads, never on the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import msgspec

from atoll.service.coordinator._answers import JSON, encode
from atoll.service.coordinator._desk import Desk
from atoll.service.coordinator._refusals import Refusal
from atoll.store import Part, Store
from atoll.values import AtollError
from atoll.wire import Fetch, Lack, Stored

PIECE = 1 << 20  # bytes handed to a thread, or sent, at once
HEADER = 64 << 20  # bytes of the list of what is in an upload, at most
LARGEST = 1 << 44  # bytes of one object
BYTES = ("content-type", "application/octet-stream")
_ONE = re.compile(r"^/v1/(?:objects|bundles)/(sha256:[0-9a-f]{64})$")
_RANGE = re.compile(r"^bytes=(\d+)-(\d*)$")
T = TypeVar("T")


class Objects:
    """The door for bytes."""

    def __init__(self, desk: Desk, store: Store, *, threads: int = 4) -> None:
        self._desk, self._store = desk, store
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="atoll-objects")
        self._fetch = msgspec.json.Decoder(Fetch)

    def serves(self, method: str, path: str) -> bool:
        """Whether a request is for here."""
        return method in self.methods(path)

    def methods(self, path: str) -> set[str]:
        """What may be done at a path."""
        if path == "/v1/objects":
            return {"PUT"}
        if path == "/v1/objects/fetch":
            return {"POST"}
        return {"GET"} if _ONE.match(path) else set()

    async def answer(self, scope: Any, protocol: Any) -> None:
        """Serve it."""
        if scope.path == "/v1/objects":
            await self._put(scope, protocol)
        elif scope.path == "/v1/objects/fetch":
            await self._send(scope, protocol)
        else:
            await self._get(scope, protocol)

    def close(self) -> None:
        """Wait for what is being written."""
        self._threads.shutdown()

    # -- in --------------------------------------------------------------------------------------------------------

    async def _put(self, scope: Any, protocol: Any) -> None:
        query = dict(pair.partition("=")[::2] for pair in scope.query_string.split("&"))
        await self._desk.lack(
            Lack(federation=query.get("federation") or "default", objects={})
        )  # it is known
        body = _Body(protocol)
        size = int.from_bytes(await body.exactly(8), "little")
        if not 0 < size <= HEADER:
            raise Refusal(
                400, "request.malformed", f"an upload's list has at most {HEADER:,} bytes, not {size:,}"
            )
        listed = msgspec.json.decode(await body.exactly(size), type=list[tuple[str, int, int]])
        try:
            stored = await self._receive(body, listed)
        except AtollError as error:
            if error.code == "disk.full":
                self._desk.stall(error.message)
            raise
        protocol.response_bytes(200, JSON, encode(Stored(stored=stored)))

    async def _receive(self, body: _Body, listed: Sequence[tuple[str, int, int]]) -> list[str]:
        with contextlib.ExitStack() as stack:
            parts: list[Part] = []
            try:
                for digest, size, offset in listed:
                    if not 0 <= offset <= size <= LARGEST:
                        raise Refusal(
                            400, "request.malformed", f"{digest} can't be {size:,} bytes from {offset:,} on"
                        )
                    part = await self._thread(lambda d=digest, s=size: self._store.receive(d, s))  # type: ignore[misc]
                    parts.append(stack.enter_context(part))
                    await self._take(body, part, offset)
            except (ConnectionError, EOFError) as error:
                raise Refusal(400, "request.cut-off", "the upload was cut off; what came is kept") from error
            damaged = await self._thread(lambda: self._store.settle(parts))
        return [digest for digest, _, _ in listed if digest not in damaged]

    async def _take(self, body: _Body, part: Part, offset: int) -> None:
        """Bytes of one object, from `offset` on; the next megabyte comes in while the last is written."""
        left, begin = part.size - offset, offset
        if part.held < begin:
            raise Refusal(
                409,
                "object.gap",
                f"{part.digest} goes on at {part.held:,}, not at {begin:,}",
                "ask what is lacking again",
            )
        writing: asyncio.Future[None] | None = None
        try:
            while left:
                piece = await body.some(min(PIECE, left))
                left -= len(piece)
                skip = max(0, part.held - begin) if writing is None else 0
                begin += len(piece)
                if writing is not None:
                    await writing
                if skip < len(piece):
                    fresh = memoryview(piece)[skip:]
                    writing = self._thread(lambda fresh=fresh: part.write(fresh))  # type: ignore[misc]
        finally:
            if writing is not None:
                await writing

    # -- out -------------------------------------------------------------------------------------------------------

    async def _send(self, scope: Any, protocol: Any) -> None:
        from atoll.service.coordinator._door import read

        fetch = self._fetch.decode(await read(scope, protocol, 64 << 20))
        await self._desk.lack(Lack(federation=fetch.federation, objects={}))
        total = 0
        for digest, offset, length in fetch.pieces:
            if offset + length > self._store.size(digest):
                raise Refusal(409, "object.bad-range", f"{digest} has fewer than {offset + length:,} bytes")
            total += length
        transport = protocol.response_stream(200, [BYTES, ("content-length", str(total))])
        pieces = [
            (digest, at, min(PIECE, offset + length - at))
            for digest, offset, length in fetch.pieces
            for at in range(offset, offset + length, PIECE)
        ]
        reading = self._read(*pieces[0]) if pieces else None
        for number in range(len(pieces)):
            assert reading is not None
            piece = await reading
            reading = self._read(*pieces[number + 1]) if number + 1 < len(pieces) else None
            await transport.send_bytes(piece)

    async def _get(self, scope: Any, protocol: Any) -> None:
        found = _ONE.match(scope.path)
        assert found
        digest = found[1]
        size = self._store.size(digest)
        wanted = scope.headers.get("range")
        begin, end, status = 0, size, 200
        if wanted:
            match = _RANGE.match(wanted)
            begin = int(match[1]) if match else size
            end = min(size, int(match[2]) + 1) if match and match[2] else size
            if begin >= end:
                raise Refusal(416, "object.bad-range", f"{digest} has {size:,} bytes, not {wanted:.80}")
            status = 206
        headers = [BYTES, ("content-length", str(end - begin)), ("accept-ranges", "bytes")]
        if status == 206:
            headers.append(("content-range", f"bytes {begin}-{end - 1}/{size}"))
        transport = protocol.response_stream(status, headers)
        for at in range(begin, end, PIECE):
            await transport.send_bytes(await self._read(digest, at, min(PIECE, end - at)))

    def _read(self, digest: str, offset: int, length: int) -> asyncio.Future[bytes]:
        return self._thread(lambda: self._store.read(digest, offset, length))

    def _thread(self, work: Callable[[], T]) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._threads, work)


class _Body:
    """A request's body, in pieces of the size that is asked for."""

    def __init__(self, protocol: Any) -> None:
        self._chunks = aiter(protocol)
        self._rest = memoryview(b"")

    async def some(self, most: int) -> bytes:
        """At least one byte, and as many as there are without waiting for small pieces one by one."""
        found = bytearray()
        while len(found) < most:
            if not self._rest:
                try:
                    self._rest = memoryview(await anext(self._chunks))
                except StopAsyncIteration:
                    break
            piece = self._rest[: most - len(found)]
            self._rest = self._rest[len(piece) :]
            found += piece
        if not found:
            raise EOFError
        return bytes(found)

    async def exactly(self, count: int) -> bytes:
        try:
            found = await self.some(count)
        except EOFError:
            found = b""
        if len(found) < count:
            raise Refusal(400, "request.cut-off", "the upload ends inside its list")
        return found
