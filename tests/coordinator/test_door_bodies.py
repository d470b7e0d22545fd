"""Requests that don't come to their end, and disks that have none left, with everything around them played."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from door_world import upload

from atoll.service.coordinator import _objects
from atoll.service.coordinator._answers import read, refusal
from atoll.service.coordinator._objects import Objects
from atoll.service.coordinator._refusals import Refusal
from atoll.store import MemoryStore, digest_bytes
from atoll.values import DiskFull


class Protocol:
    """A body that comes in chunks and then, unless it is `whole`, not at all."""

    def __init__(self, *chunks: bytes, whole: bool = True) -> None:
        self.chunks, self.whole, self.said = chunks, whole, (0, b"")

    async def __call__(self) -> bytes:
        return b"".join([chunk async for chunk in self])

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            yield chunk
        if not self.whole:
            await asyncio.Event().wait()

    def response_bytes(self, status: int, headers: Any, body: bytes) -> None:
        self.said = status, body


class Desk:
    """Lets everybody put objects into every federation."""

    def __init__(self) -> None:
        self.stalled: list[str] = []

    def admit(self, federation: str, permission: Any, *, who: Any) -> None:
        """They may."""

    @property
    def traffic(self) -> Desk:
        return self

    def coming(self, who: Any, federation: str, count: int) -> None:
        """There is room."""

    def lane(self, federation: str) -> Callable[[str], str]:
        return lambda digest: ""

    def came(self, who: Any, federation: str, stored: Sequence[str], count: int) -> None:
        """It is theirs."""

    def stall(self, reason: str) -> None:
        self.stalled.append(reason)


class FullStore(MemoryStore):
    def receive(self, digest: str, size: int, *, apart: str = "") -> Any:
        raise DiskFull("disk.full", "the disk is full")


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_objects, "PATIENCE", 0.05)


def scope(length: int | None, query: str = "") -> Any:
    headers = {} if length is None else {"content-length": str(length)}
    return SimpleNamespace(headers=headers, path="/v1/objects", query_string=query)


@pytest.mark.parametrize("length", [10, None])
def test_a_message_that_stops_in_the_middle_is_not_waited_for_for_ever(length: int | None) -> None:
    work = read(scope(length), Protocol(b"12345", whole=False), 100, patience=0.05)
    if length is None:
        assert asyncio.run(work) == b""
    else:
        with pytest.raises(Refusal, match="too early"):
            asyncio.run(work)


def test_a_message_that_is_cut_off_is_not_taken_for_a_whole_one() -> None:
    with pytest.raises(Refusal, match="too early"):
        asyncio.run(read(scope(10), Protocol(b"12345"), 100))


@pytest.mark.parametrize("length", ["11", "-1", "1e3", "x"])
def test_a_length_that_is_none_or_too_long_is_refused(length: str) -> None:
    with pytest.raises(Refusal) as refused:
        asyncio.run(read(SimpleNamespace(headers={"content-length": length}), Protocol(b"1"), 10))
    assert refused.value.status == 413


def put(store: Any, protocol: Protocol, desk: Desk) -> None:
    async def whole() -> None:
        objects = Objects(desk, store)  # type: ignore[arg-type]
        try:
            await objects.answer(scope(None), protocol)
        finally:
            await objects.close()

    asyncio.run(whole())


@pytest.mark.usefixtures("patience")
def test_an_upload_that_stops_is_let_go_and_what_came_is_kept() -> None:
    store, desk = MemoryStore(), Desk()
    body = upload([(digest_bytes(b"whole"), 5, 0), (digest_bytes(b"half"), 4, 0)], b"whole", b"ha")
    with pytest.raises(Refusal, match="nothing came for long"):
        put(store, Protocol(body, whole=False), desk)
    assert store.has([digest_bytes(b"whole")])
    assert store.held([digest_bytes(b"half")]) == {digest_bytes(b"half"): 2}


def test_a_full_disk_stalls_runs_and_is_told() -> None:
    desk = Desk()
    with pytest.raises(DiskFull) as full:
        put(FullStore(), Protocol(upload([(digest_bytes(b"a"), 1, 0)], b"a")), desk)
    assert desk.stalled == ["the disk is full"]
    assert (refusal(full.value).status, refusal(full.value).retry) == (503, 1)


def test_whole_uploads_are_told_as_stored() -> None:
    store, protocol = MemoryStore(), Protocol(upload([(digest_bytes(b"a"), 1, 0)], b"a"))
    put(store, protocol, Desk())
    assert protocol.said[0] == 200
    assert store.has([digest_bytes(b"a")])
