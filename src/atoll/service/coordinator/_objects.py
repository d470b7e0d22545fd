"""The door for bytes: objects in and out, many in one request, or a range of one.

Doesn't know what they hold. Bytes are read, hashed and written by threads, never on the event loop; a megabyte or two of each
transfer is in memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import parse_qs

import msgspec
from granian._granian import RSGIProtocolClosed

from atoll.identity import Permission
from atoll.service.coordinator._answers import JSON, PATIENCE, encode, log, read
from atoll.service.coordinator._desk import Desk
from atoll.service.coordinator._download import PIECE, Download, Piece
from atoll.service.coordinator._gate import OWNER, Admitted
from atoll.service.coordinator._pipe import WORKS, Pipe
from atoll.service.coordinator._refusals import Refusal
from atoll.service.coordinator._upload import Upload
from atoll.store import Store
from atoll.values import AtollError, DiskFull
from atoll.wire import Fetch, Stored

GONE, BROKEN = 499, 599  # in the metrics: what nobody waited for, and what ended early
BYTES = ("content-type", "application/octet-stream")
QUESTION = 16 << 20  # bytes of the list of what is to be fetched
_ONE = re.compile(r"/v1/(?:objects|bundles)/(sha256:[0-9a-f]{64})")
_RANGE = re.compile(r"bytes=(?:(\d{1,18})-(\d{0,18})|-(\d{1,18}))")
T = TypeVar("T")


class Objects:
    """Answers requests for objects."""

    def __init__(self, desk: Desk, store: Store, *, threads: int = 16) -> None:
        self._desk, self._store = desk, store
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="atoll-objects")
        self._fetch = msgspec.json.Decoder(Fetch)
        self._transfers: set[asyncio.Task[Any]] = set()
        self.bytes_in = self.bytes_out = 0

    @property
    def transfers(self) -> int:
        """How many are under way."""
        return len(self._transfers)

    def methods(self, path: str) -> set[str]:
        """What may be done at a path."""
        if path == "/v1/objects":
            return {"PUT"}
        if path == "/v1/objects/fetch":
            return {"POST"}
        return {"GET"} if _ONE.fullmatch(path) else set()

    async def answer(self, scope: Any, protocol: Any, came: Admitted = OWNER) -> int:
        """Serve a request; returns its status."""
        task = asyncio.current_task()
        assert task is not None
        self._transfers.add(task)
        try:
            if scope.path == "/v1/objects":
                return await self._put(scope, protocol, came)
            if scope.path == "/v1/objects/fetch":
                return await self._send(scope, protocol, came)
            return await self._get(scope, protocol, came)
        finally:
            self._transfers.discard(task)

    async def close(self) -> None:
        """Cut off what is under way: it goes on at the byte, another time."""
        for transfer in self._transfers:
            transfer.cancel()
        if self._transfers:
            await asyncio.wait(set(self._transfers), timeout=2)
        self._threads.shutdown(wait=False)

    # -- in --------------------------------------------------------------------------------------------------------

    async def _put(self, scope: Any, protocol: Any, came: Admitted) -> int:
        query, traffic, count = parse_qs(scope.query_string), self._desk.traffic, 0
        federation = query.get("federation", ["default"])[-1]
        self._desk.admit(federation, Permission.OBJECT_PUT, who=came.who)
        came.check_length(scope)
        traffic.coming(
            came.who,
            federation,
            int(length) if (length := scope.headers.get("content-length") or "").isdecimal() else 0,
        )
        upload, coming, writing = Upload(self._store, traffic.lane(federation)), _Coming(protocol), False
        try:
            while found := await coming.piece():
                size = sum(map(len, found))
                self.bytes_in, count = self.bytes_in + size, count + size
                coming.go_on()  # the next ones come while these are written
                writing = True
                await self._thread(upload.feed, found)
                writing = False
            stored = await self._thread(upload.finish)
        except DiskFull as error:
            self._desk.stall(error.message)
            raise
        except TimeoutError as error:
            raise Refusal(
                400, "request.cut-off", "nothing came for long; what came is kept", "send the rest"
            ) from error
        finally:
            rest = coming.rest()
            rest = [] if writing else rest  # was it written at all? they would go on from there
            await self._at_last(lambda: upload.close(rest))
            traffic.came(came.who, federation, upload.stored, count)
        protocol.response_bytes(200, JSON, encode(Stored(stored=stored)))
        return 200

    # -- out -------------------------------------------------------------------------------------------------------

    async def _send(self, scope: Any, protocol: Any, came: Admitted) -> int:
        content = await read(scope, protocol, QUESTION)
        came.check(content)
        fetch = self._fetch.decode(content)
        self._desk.admit(fetch.federation, Permission.OBJECT_GET, who=came.who)
        digests = [digest for digest, _, _ in fetch.pieces]
        await self._desk.traffic.admit(came.who, fetch.federation, digests)
        status = await self._out(protocol, fetch.pieces, 200, [BYTES], quick=True)
        self._desk.traffic.went(
            came.who, fetch.federation, digests, sum(length for _, _, length in fetch.pieces)
        )
        return status

    async def _get(self, scope: Any, protocol: Any, came: Admitted) -> int:
        found = _ONE.fullmatch(scope.path)
        assert found
        digest = found[1]
        federation = await self._desk.traffic.admit(came.who, "", (digest,))
        size = await self._thread(self._store.size, digest)
        headers = [BYTES, ("accept-ranges", "bytes"), ("etag", f'"{digest}"')]
        wanted = _range(scope.headers.get("range"), size)
        if wanted is None:
            self._desk.traffic.went(came.who, federation, (digest,), size)
            return await self._out(protocol, [(digest, 0, size)], 200, headers)
        begin, end = wanted
        if begin >= end:
            raise Refusal(
                416, "object.bad-range", f"{digest} has {size:,} bytes", "ask for those that are there"
            )
        headers.append(("content-range", f"bytes {begin}-{end - 1}/{size}"))
        self._desk.traffic.went(came.who, federation, (digest,), end - begin)
        return await self._out(protocol, [(digest, begin, end - begin)], 206, headers)

    async def _out(
        self,
        protocol: Any,
        pieces: Sequence[Piece],
        status: int,
        headers: list[tuple[str, str]],
        *,
        quick: bool = False,
    ) -> int:
        """Send pieces, no faster than they are taken; nothing is begun when the beginning can't be read.

        `quick`: the server reads a file itself when there is one alone. That takes half the CPU of a pipe, which would have told
        whether all was taken.
        """
        download = Download(self._store, pieces)
        try:
            total = await self._thread(download.check)
            headers = [*headers, ("content-length", str(total))]
            if (
                (quick or not WORKS)
                and len(pieces) == 1
                and total > PIECE
                and (path := await self._thread(self._store.path, pieces[0][0]))
            ):
                _, begin, length = pieces[0]
                protocol.response_file_range(status, headers, str(path), begin, begin + length)
                self.bytes_out += total
                return status
            return await self._several(protocol, download, total, status, headers)
        finally:
            await self._at_last(download.close)

    async def _several(
        self, protocol: Any, download: Download, total: int, status: int, headers: list[tuple[str, str]]
    ) -> int:
        if total <= PIECE:
            protocol.response_bytes(status, headers, await self._thread(download.next))
            self.bytes_out += total
            return status
        try:
            if WORKS:
                await self._through_pipe(protocol, download, status, headers)
            else:
                await self._stream(protocol.response_stream(status, headers), download)
        except (BrokenPipeError, RSGIProtocolClosed):  # whoever asked has gone away
            return GONE
        except (AtollError, OSError) as error:  # too late to say so: what was promised ends too early
            log.error("a transfer broke off: %s", error or type(error).__name__)
            return BROKEN
        finally:
            self.bytes_out += download.sent
        return status

    async def _through_pipe(
        self, protocol: Any, download: Download, status: int, headers: list[tuple[str, str]]
    ) -> None:
        pipe = Pipe()
        try:
            protocol.response_file(status, headers, pipe.path)
            while await self._thread(pipe.fill, download.pour):
                await pipe.room()
        finally:
            await self._at_last(pipe.close)

    async def _stream(self, transport: Any, download: Download) -> None:
        """Where there are no such pipes: granian holds all of it until it is taken."""
        while piece := await self._thread(download.next):
            await transport.send_bytes(piece)

    # -- threads ---------------------------------------------------------------------------------------------------

    def _thread(self, work: Callable[..., T], *arguments: Any) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    async def _at_last(self, work: Callable[[], None]) -> None:
        """Do this whatever happens, and wait for it if one may wait."""
        with contextlib.suppress(RuntimeError):  # the threads have ended
            await asyncio.shield(self._thread(work))


class _Coming:
    """A body's bytes, gathered to a megabyte or so."""

    def __init__(self, protocol: Any) -> None:
        self._chunks = aiter(protocol)
        self.go_on()

    def go_on(self) -> None:
        """Begin to gather the next ones."""
        self._found: list[bytes] = []
        self._gathering = asyncio.create_task(self._gather())

    async def piece(self) -> list[bytes]:
        """What was gathered; nothing at the end. Raises `TimeoutError`."""
        return await asyncio.wait_for(self._gathering, PATIENCE)

    def rest(self) -> list[bytes]:
        """What was gathered and not asked for; from now on nothing is."""
        self._gathering.cancel()
        return self._found

    async def _gather(self) -> list[bytes]:
        size = 0
        with contextlib.suppress(StopAsyncIteration):
            while size < PIECE:
                self._found.append(chunk := await anext(self._chunks))
                size += len(chunk)
        return self._found


def _range(header: str | None, size: int) -> tuple[int, int] | None:
    """From where to where; None for the whole, as for a header that is not understood (RFC 9110, 14.2)."""
    match = _RANGE.fullmatch(header or "")
    if match is None:
        return None
    if match[3]:
        return max(0, size - int(match[3])), size
    begin, end = int(match[1]), int(match[2]) + 1 if match[2] else size
    return None if match[2] and end <= begin else (begin, min(size, end))
