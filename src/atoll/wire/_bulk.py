"""Many objects in one request, to a coordinator and from it; what was cut off goes on at the byte.

Doesn't know what the objects hold, only their digests and sizes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from http.client import HTTPResponse
from pathlib import Path
from typing import TypeAlias

import msgspec

from atoll.store import Part, Store
from atoll.values import ObjectDamaged, StoreError
from atoll.wire._client import Client
from atoll.wire._messages import Fetch, Lack, Lacking, Stored

Blob: TypeAlias = bytes | bytearray | memoryview | Path

PIECE = 1 << 20  # bytes read or written at once
WINDOW = 32 << 20  # bytes fetched by one request
AT_ONCE = 10_000  # objects asked about in one request
TRIES = 2  # of an object that comes damaged


def push(client: Client, federation: str, blobs: Mapping[str, Blob]) -> None:
    """Send the objects that the coordinator lacks; durable there on return. Raises `Refused`, `Unreachable`, and
    `ObjectDamaged` when what lies here is not what its digest names."""
    names = list(blobs)
    for first in range(0, len(names), AT_ONCE):
        some = {name: blobs[name] for name in names[first : first + AT_ONCE]}
        client.patiently(lambda some=some: _push_once(client, federation, some))  # type: ignore[misc]


def pull(client: Client, federation: str, objects: Mapping[str, int], store: Store) -> None:
    """Fetch the objects (digest to size in bytes) that the store lacks. Raises `Refused`, `Unreachable`, `DiskFull`,
    and `ObjectDamaged` when one came damaged twice."""
    damage: dict[str, int] = {}

    def once() -> None:
        have = store.has(objects)
        wanted = [name for name in objects if name not in have]
        while wanted:
            for digest in _pull_once(client, federation, {d: objects[d] for d in wanted[:AT_ONCE]}, store):
                damage[digest] = damage.get(digest, 0) + 1
                if damage[digest] >= TRIES:
                    mend = "its copy at the coordinator may be damaged: `atoll log` of the coordinator tells"
                    raise ObjectDamaged("object.damaged", f"{digest} came damaged {TRIES} times", mend)
            have = store.has(wanted)
            wanted = [name for name in wanted if name not in have]

    client.patiently(once)


def _push_once(client: Client, federation: str, blobs: Mapping[str, Blob]) -> None:
    sizes = {digest: _size(blob) for digest, blob in blobs.items()}
    question = Lack(federation=federation, objects=sizes)
    for attempt in range(1, TRIES + 1):
        lacking = client.call("POST", "/v1/objects/lack", question, Lacking).lack
        if not lacking:
            return
        header = msgspec.json.encode([[digest, sizes[digest], held] for digest, held in lacking.items()])
        length = 8 + len(header) + sum(sizes[digest] - held for digest, held in lacking.items())
        body = _body(header, [(blobs[digest], held) for digest, held in lacking.items()])
        path = f"/v1/objects?federation={federation}"
        with client.answering("PUT", path, body, length=length, wait=60) as response:
            stored = msgspec.json.decode(response.read(), type=Stored).stored
        if not (missing := lacking.keys() - set(stored)):
            return
        if attempt == TRIES:
            name = min(missing)
            raise ObjectDamaged(
                "object.damaged", f"what was sent as {name} has another hash", "make it again"
            )


def _body(header: bytes, blobs: Iterable[tuple[Blob, int]]) -> Iterator[bytes | memoryview]:
    yield len(header).to_bytes(8, "little") + header
    for blob, held in blobs:
        if isinstance(blob, Path):
            yield from _file(blob, held)
        else:
            view = memoryview(blob).cast("B")
            for at in range(held, view.nbytes, PIECE):
                yield view[at : at + PIECE]


def _file(path: Path, begin: int) -> Iterator[memoryview]:
    piece = memoryview(bytearray(PIECE))
    with open(path, "rb", buffering=0) as file:
        file.seek(begin)
        while count := file.readinto(piece):
            yield piece[:count]


def _pull_once(client: Client, federation: str, objects: Mapping[str, int], store: Store) -> set[str]:
    """Fetch them in one request; returns those that came damaged."""
    with contextlib.ExitStack() as stack:
        parts = [stack.enter_context(store.receive(digest, size)) for digest, size in objects.items()]
        buffer = memoryview(bytearray(PIECE))
        for window in _windows(parts):
            pieces = [(part.digest, offset, length) for part, offset, length in window]
            fetch = msgspec.json.encode(Fetch(federation=federation, pieces=pieces))
            with client.answering("POST", "/v1/objects/fetch", fetch, wait=60) as response:
                for part, _, length in window:
                    _take(response, part, length, buffer)
                if response.read(1):
                    raise StoreError("object.too-long", "more bytes came than were asked for", "fetch again")
        return store.settle(parts)


def _windows(parts: Iterable[Part]) -> Iterator[list[tuple[Part, int, int]]]:
    """What is lacking of all of them (part, offset, length), in portions that a server can hold in memory."""
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


def _take(response: HTTPResponse, part: Part, left: int, buffer: memoryview) -> None:
    while left:
        count = response.readinto(buffer[: min(PIECE, left)])
        if not count:
            raise ConnectionError(f"the answer ended {left:,} bytes early")
        part.write(buffer[:count])
        left -= count


def _size(blob: Blob) -> int:
    return blob.stat().st_size if isinstance(blob, Path) else memoryview(blob).nbytes
