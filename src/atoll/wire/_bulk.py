"""Many objects in one request, to a coordinator and from it; what was cut off goes on at the byte.

Doesn't know what the objects hold, only their digests and sizes.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import os
from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import msgspec

from atoll.store import Part, Store
from atoll.values import ObjectDamaged, StoreError
from atoll.wire._client import STALE, Client, Refused
from atoll.wire._connection import PIECE, Stretch
from atoll.wire._messages import Fetch, Lack, Lacking, Stored

Blob: TypeAlias = bytes | bytearray | memoryview | Path

ASKED = 10_000  # objects asked about in one request
AT_ONCE = 128  # objects in one transfer: each is an open file at the receiver
WINDOW = 32 << 20  # bytes fetched by one request: the server may have to hold them all in memory
LETTING_GO = 4  # times that we ask again when a receiver may not have noticed yet that it was cut off
TRIES = 2  # of an object that comes damaged
_ANSWER = 16 << 20  # bytes of the names that are stored
_SETTLING = 60.0  # seconds for a receiver to hash and to write what came ...
_SLOWEST = 20 << 20  # ... and one more for each so many bytes
_AGAIN = {
    "object.gap",
    "request.cut-off",
    STALE,
}  # somebody else was at it, the way broke, or our clock is off: ask what is lacking


def push(client: Client, federation: str, blobs: Mapping[str, Blob]) -> None:
    """Send the objects that the coordinator lacks; durable there on return.

    Raises `Refused`, `Unreachable`, `StoreError` (`object.not-a-file`) for a file that can't be read, and `ObjectDamaged`
    when what lies here is not what its digest names.
    """
    names = iter(blobs)
    while some := list(islice(names, ASKED)):
        _Upload(client, federation, {name: blobs[name] for name in some}).run()


def pull(client: Client, federation: str, objects: Mapping[str, int], store: Store) -> None:
    """Fetch the objects (digest to size in bytes) that the store lacks.

    Raises `Refused`, `Unreachable`, `DiskFull`, and `ObjectDamaged` when one came damaged twice.
    """
    _Download(client, federation, objects, store).run()


class _Damage:
    """How often each object came damaged. Raises `ObjectDamaged` when that was too often."""

    def __init__(self, message: str, mend: str) -> None:
        self._times: dict[str, int] = {}
        self._message, self._mend = message, mend

    def note(self, digests: Collection[str]) -> None:
        for digest in digests:
            self._times[digest] = times = self._times.get(digest, 0) + 1
            if times >= TRIES:
                raise ObjectDamaged("object.damaged", self._message.format(digest), self._mend)


class _Upload:
    """Objects on their way to a coordinator."""

    def __init__(self, client: Client, federation: str, blobs: Mapping[str, Blob]) -> None:
        self._client, self._federation, self._blobs = client, federation, blobs
        self._damage = _Damage("what was sent as {} has another hash", "make it again: nobody has use for it")
        self._most = 0  # bytes of them that were there when most were
        self._begun: set[str] = set()  # objects that were on their way when it was cut off
        self._asked = 0  # times since then

    def run(self) -> None:
        """Send them all."""
        while self._client.patiently(self._once, moved=lambda: self._most):
            pass

    def _once(self) -> bool:
        """Send what is lacking, or some of it; whether anything remains."""
        sizes = {digest: _size(blob) for digest, blob in self._blobs.items()}
        lack = Lack(federation=self._federation, objects=sizes)
        answer = self._client.once("POST", "/v1/objects/lack", lack, Lacking).lack
        lacking = {d: held if held <= sizes[d] else 0 for d, held in answer.items() if d in sizes}
        self._most = max(self._most, sum(sizes.values()) - sum(sizes[d] - n for d, n in lacking.items()))
        if not lacking:
            return False
        if self._asked < LETTING_GO and any(d in self._begun and not n for d, n in lacking.items()):
            self._asked += 1  # sent from the beginning, all of it would go twice
            raise ConnectionResetError("what came before the cut is still in other hands")
        some = [(d, sizes[d], held) for d, held in islice(lacking.items(), AT_ONCE)]
        damaged = {d for d, _, _ in some} - set(self._send(some))
        self._begun, self._asked = set(), 0
        self._damage.note(damaged)
        return bool(damaged) or len(some) < len(lacking)

    def _send(self, some: list[tuple[str, int, int]]) -> list[str]:
        """Send objects (digest, size, bytes that are there); returns those that are whole there now."""
        header = msgspec.json.encode(some)
        count = sum(size - held for _, size, held in some)
        path = f"/v1/objects?federation={self._federation}"
        body, length = self._body(header, some), 8 + len(header) + count
        try:
            with self._client.answering(
                "PUT", path, body, length=length, wait=_SETTLING + count / _SLOWEST
            ) as response:
                return msgspec.json.decode(response.read(_ANSWER), type=Stored).stored
        except Refused as error:
            if error.code in _AGAIN:
                raise ConnectionResetError(error.message) from error
            raise

    def _body(
        self, header: bytes, some: list[tuple[str, int, int]]
    ) -> Iterator[bytes | memoryview | Stretch]:
        self._begun, self._asked = set(), 0
        yield len(header).to_bytes(8, "little") + header
        for digest, size, held in some:
            if size - held > PIECE:
                self._begun.add(digest)
            blob = self._blobs[digest]
            if isinstance(blob, Path):
                if held < size:
                    with _opened(blob) as file:
                        yield Stretch(file, held, size - held)
            else:
                view = memoryview(blob).cast("B")
                for at in range(held, size, PIECE):
                    yield view[at : at + PIECE]


class _Download:
    """Objects on their way from a coordinator."""

    def __init__(self, client: Client, federation: str, objects: Mapping[str, int], store: Store) -> None:
        self._client, self._federation, self._store = client, federation, store
        self._wanted = dict(objects)
        self._damage = _Damage(
            "{} came damaged again", "make it again: the coordinator's copy may be damaged"
        )
        self._came = 0  # bytes
        self._buffer = memoryview(bytearray(PIECE))

    def run(self) -> None:
        """Fetch them all."""
        while self._client.patiently(self._once, moved=lambda: self._came):
            pass

    def _once(self) -> bool:
        """Fetch what is lacking, or some of it; whether anything may remain."""
        for digest in self._store.has(self._wanted):
            del self._wanted[digest]
        if self._wanted:
            with contextlib.ExitStack() as stack:
                some = islice(self._wanted.items(), AT_ONCE)
                parts = [stack.enter_context(self._store.receive(digest, size)) for digest, size in some]
                for window in _windows(parts):
                    self._receive(window)
                self._damage.note(self._store.settle(parts))
        return bool(self._wanted)

    def _receive(self, window: list[tuple[Part, int, int]]) -> None:
        pieces = [(part.digest, offset, length) for part, offset, length in window]
        fetch = msgspec.json.encode(Fetch(federation=self._federation, pieces=pieces))
        with self._client.answering("POST", "/v1/objects/fetch", fetch, wait=_SETTLING) as response:
            for part, _, length in window:
                self._take(response, part, length)
            if response.read(1):
                raise StoreError("object.too-long", "more bytes came than were asked for", "fetch again")

    def _take(self, response: http.client.HTTPResponse, part: Part, left: int) -> None:
        while left:
            count = response.readinto(self._buffer[: min(PIECE, left)])
            if not count:
                raise ConnectionResetError(f"the answer ended {left:,} bytes early")
            part.write(self._buffer[:count])
            self._came += count
            left -= count


def _windows(parts: list[Part]) -> Iterator[list[tuple[Part, int, int]]]:
    """What is lacking of all of them (part, offset, length), a request's worth at a time."""
    window: list[tuple[Part, int, int]] = []
    room = WINDOW
    for part in parts:
        at = part.held
        while at < part.size:
            length = min(room, part.size - at)
            window.append((part, at, length))
            at, room = at + length, room - length
            if not room:
                yield window
                window, room = [], WINDOW
    if window:
        yield window


def _size(blob: Blob) -> int:
    if not isinstance(blob, Path):
        return memoryview(blob).nbytes
    with _opened(blob) as file:
        return os.fstat(file.fileno()).st_size


def _opened(path: Path) -> io.FileIO:
    try:
        return io.FileIO(path)
    except OSError as error:
        raise StoreError(
            "object.not-a-file", f"{path} can't be sent: {error.strerror}", "make it again"
        ) from error
