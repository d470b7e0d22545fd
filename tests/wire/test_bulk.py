"""Objects over the wire: only what is lacking, from the byte on, checked, in flat memory."""

from __future__ import annotations

import math
import random
import threading
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from crossing import DOWN, UP, Fate
from faulty_way import FaultyWay
from small_server import SmallServer, certificate, refusing

from atoll.store import DirectoryStore, MemoryStore, digest_bytes
from atoll.values import DiskFull, ObjectDamaged, StoreError
from atoll.wire import Address, Client, Refused, Unreachable, _bulk, pull, push

MB = 1_000_000
LONG = 600.0  # seconds; nobody waits so long


def some_bytes(*sizes: int, seed: int = 0) -> dict[str, bytes]:
    made = (random.Random(f"{seed}/{number}").randbytes(size) for number, size in enumerate(sizes))
    return {digest_bytes(body): body for body in made}


def sizes_of(blobs: dict[str, bytes]) -> dict[str, int]:
    return {digest: len(body) for digest, body in blobs.items()}


def as_files(blobs: dict[str, bytes], folder: Path) -> dict[str, Path]:
    for digest, body in blobs.items():
        (folder / digest).write_bytes(body)
    return {digest: folder / digest for digest in blobs}


@pytest.fixture(params=["plain", "tls"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SmallServer]:
    pem = certificate(tmp_path) if request.param == "tls" else None
    with SmallServer(certificate=pem) as server:
        yield server


@pytest.fixture
def way(server: SmallServer) -> Iterator[FaultyWay]:
    with FaultyWay(server.port, http=not server.address.ca) as way:
        yield way


def client_of(server: SmallServer, way: FaultyWay | None = None, patience: float = LONG) -> Client:
    """A client that doesn't wait between tries."""
    port = way.port if way else server.port
    scheme = "https" if server.address.ca else "http"
    client = Client(
        Address(f"{scheme}://localhost:{port}", ca=server.address.ca), agent="t", patience=patience
    )
    client.closing.wait = lambda _: threading.Event().wait(0.01)  # type: ignore[method-assign]
    return client


@pytest.fixture
def client(server: SmallServer) -> Client:
    return client_of(server)


# -- what is sent ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("files", [True, False])
def test_objects_arrive_as_they_are(server, client, tmp_path, files):
    blobs = some_bytes(3 * MB, 0, 1, 70_000, (1 << 20) + 1)
    push(client, "default", as_files(blobs, tmp_path) if files else blobs)
    assert {d: bytes(server.store.open(d)) for d in blobs} == blobs
    there = DirectoryStore(tmp_path / "there", reserve=0)
    pull(client, "default", sizes_of(blobs), there)
    assert {d: bytes(there.open(d)) for d in blobs} == blobs
    assert [path for _, path, _ in server.seen] == [
        "/v1/objects/lack", "/v1/objects?federation=default", "/v1/objects/fetch"
    ]  # fmt: skip


def test_any_buffer_is_sent(server, client):
    numbers = memoryview(random.Random(1).randbytes(80_000)).cast("d", (100, 100))
    blobs = {digest_bytes(numbers): numbers, digest_bytes(b"abc"): bytearray(b"abc")}
    push(client, "default", blobs)
    assert bytes(server.store.open(next(iter(blobs)))) == numbers.tobytes()


def test_only_what_is_lacking_travels(server, client):
    blobs, more = some_bytes(MB, 10), some_bytes(MB, 10, 500)
    push(client, "default", blobs)
    push(client, "default", blobs)
    push(client, "default", more)
    assert server.received == MB + 10 + 500
    there = MemoryStore()
    pull(client, "default", sizes_of(blobs), there)
    pull(client, "default", sizes_of(blobs), there)
    pull(client, "default", sizes_of(more), there)
    assert server.sent == MB + 10 + 500


def test_nothing_asks_nothing(server, client):
    push(client, "default", {})
    pull(client, "default", {}, MemoryStore())
    assert server.seen == []


def test_many_objects_go_in_portions(server, client, monkeypatch):
    monkeypatch.setattr(_bulk, "ASKED", 25)
    monkeypatch.setattr(_bulk, "AT_ONCE", 10)
    monkeypatch.setattr(_bulk, "WINDOW", 2500)
    blobs = some_bytes(*range(60), 10_000, *range(100, 130))
    push(client, "default", blobs)
    there = MemoryStore()
    pull(client, "default", sizes_of(blobs), there)
    assert there.has(blobs) == server.store.has(blobs) == set(blobs)
    assert server.received == server.sent == sum(map(len, blobs.values()))


# -- cuts --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("files", [True, False])
def test_an_upload_goes_on_at_the_byte(server, way, tmp_path, files):
    blobs = some_bytes(2 * MB, 5 * MB, 10)
    client = client_of(server, way)
    if way.http:
        way.next(Fate(), Fate("cut", UP, 3 * MB), Fate(), Fate("cut", UP, 2 * MB))
    else:
        way.next(Fate("cut", UP, 3 * MB), Fate("cut", UP, 2 * MB))
    push(client, "default", as_files(blobs, tmp_path) if files else blobs)
    assert way.done["cut"] == 2
    assert server.store.has(blobs) == set(blobs)
    assert server.received == 7 * MB + 10  # none of them twice


def test_a_download_goes_on_at_the_byte(server, way, tmp_path):
    blobs = some_bytes(2 * MB, 5 * MB, 10)
    push(client_of(server), "default", blobs)
    there = DirectoryStore(tmp_path / "there", reserve=0)
    way.next(Fate("cut", DOWN, 3 * MB), Fate("cut", DOWN, 2 * MB))
    pull(client_of(server, way), "default", sizes_of(blobs), there)
    assert way.done["cut"] == 2
    assert there.has(blobs) == set(blobs)
    asked_again = 7 * MB + 10 + (4 * MB + 10) + (2 * MB + 10)
    assert abs(server.sent - asked_again) < 100_000  # heads, and TLS


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_cut_arrives_whole(server, way, tmp_path, seed):
    chance = random.Random(seed)
    blobs = some_bytes(*(int(math.exp(chance.uniform(0, 14.5))) for _ in range(8)), seed=seed)
    kinds = ["reset", "cut"] * 10

    def bad_weather() -> list[Fate]:
        return [Fate(kind, chance.choice((UP, DOWN)), int(math.exp(chance.uniform(3, 15)))) for kind in kinds]  # type: ignore[arg-type]

    client = client_of(server, way)
    way.next(*bad_weather())
    push(client, "default", as_files(blobs, tmp_path) if seed % 2 else blobs)
    way.next(*bad_weather())
    there = DirectoryStore(tmp_path / "there", reserve=0)
    pull(client, "default", sizes_of(blobs), there)
    assert {d: bytes(there.open(d)) for d in blobs} == blobs


def test_many_at_once_on_a_bad_way(server, tmp_path):
    chances: Any = {"reset": 0.1, "cut": 0.1, "twice": 0.1, "again-later": 0.1, "held-back": 0.1}
    with FaultyWay(server.port, seed=3, chances=chances, http=not server.address.ca, latency=0.002) as way:
        client, there = client_of(server, way), DirectoryStore(tmp_path / "there", reserve=0)
        with ThreadPoolExecutor(4) as pool:
            all_of_them = [some_bytes(200_000, 70_000, 10, seed=seed) for seed in range(8)]
            list(pool.map(lambda blobs: push(client, "default", blobs), all_of_them))
            list(pool.map(lambda blobs: pull(client, "default", sizes_of(blobs), there), all_of_them))
        for blobs in all_of_them:
            assert {d: bytes(there.open(d)) for d in blobs} == blobs


def test_a_transfer_has_patience_as_long_as_it_moves(server, way):
    blobs = some_bytes(8 * MB)
    client = client_of(server, way, patience=0.0)
    way.next(*[Fate("cut", UP, MB)] * 3)
    with pytest.raises(Unreachable):
        push(client, "default", blobs)
    way.calm()
    times = iter(range(0, 100_000, 50))
    client = client_of(server, way, patience=60)
    client._clock = lambda: float(next(times))
    well = [Fate()] if way.http else []
    for _ in range(6):
        way.next(*well, Fate("cut", UP, MB))
    push(client, "default", blobs)
    assert server.store.has(blobs) == set(blobs)


def test_somebody_else_at_it_makes_us_ask_again(server, client):
    blobs = some_bytes(MB)
    with server.store.receive(next(iter(blobs)), MB) as part:
        part.write(next(iter(blobs.values()))[:1000])
    server.then(lambda handler: handler._objects(), refusing(409, "object.gap"), lambda handler: handler._objects(),
                refusing(400, "request.cut-off"))  # fmt: skip
    push(client, "default", blobs)
    assert server.store.has(blobs) == set(blobs)


def test_who_has_not_noticed_the_cut_yet_is_given_time(server, way, monkeypatch):
    """Its hands are still on the part when we ask again; without that time all would be sent from the beginning."""
    blobs, asked = some_bytes(5 * MB), []
    truth = server.store.held
    monkeypatch.setattr(
        server.store, "held", lambda some: {} if asked.append(1) or len(asked) in (2, 3) else truth(some)
    )
    way.next(*([Fate()] if way.http else []), Fate("cut", UP, 3 * MB))
    push(client_of(server, way), "default", blobs)
    assert server.received == 5 * MB
    assert len(asked) == 4


def test_who_never_lets_go_gets_it_all_again(server, way, monkeypatch):
    blobs = some_bytes(5 * MB)
    monkeypatch.setattr(server.store, "held", lambda _: {})
    way.next(*([Fate()] if way.http else []), Fate("cut", UP, 3 * MB))
    push(client_of(server, way), "default", blobs)
    assert server.store.has(blobs) == set(blobs)


# -- damage ------------------------------------------------------------------------------------------------------------


def flipped(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


def test_an_object_that_comes_damaged_is_fetched_once_more(server, client):
    blobs = some_bytes(MB, 1000)
    push(client, "default", blobs)
    there = MemoryStore()
    server.unscrambled.append(flipped)
    pull(client, "default", sizes_of(blobs), there)
    assert there.has(blobs) == set(blobs)
    assert server.sent == MB + 1000 + 1000  # that one alone


def test_an_object_that_comes_damaged_twice_is_reported(server, client):
    blobs = some_bytes(MB, 1000)
    good, bad = blobs
    push(client, "default", blobs)
    there = MemoryStore()
    server.unscrambled.extend([flipped] * 2)
    with pytest.raises(ObjectDamaged, match=bad) as damaged:
        pull(client, "default", sizes_of(blobs), there)
    assert damaged.value.code == "object.damaged"
    assert there.has(blobs) == {good}


def test_what_is_not_what_its_digest_names_is_reported(server, client):
    blobs = some_bytes(1000, 2000)
    good, bad = blobs
    with pytest.raises(ObjectDamaged, match=bad):
        push(client, "default", {**blobs, bad: bytes(2000)})
    assert server.store.has(blobs) == {good}


def test_a_server_that_sends_more_is_not_believed(server, client):
    blobs = some_bytes(1000)
    push(client, "default", blobs)
    server.unscrambled.append(lambda content: content + b"!")
    with pytest.raises(StoreError) as error:
        pull(client, "default", sizes_of(blobs), MemoryStore())
    assert error.value.code == "object.too-long"


def test_what_nobody_has_is_refused(client):
    with pytest.raises(Refused) as refused:
        pull(client, "default", sizes_of(some_bytes(1000)), MemoryStore())
    assert (refused.value.status, refused.value.code) == (404, "object.missing")


def test_a_file_that_is_gone_is_told(client, tmp_path):
    with pytest.raises(StoreError) as error:
        push(client, "default", {digest_bytes(b""): tmp_path / "gone"})
    assert error.value.code == "object.not-a-file"


def test_a_full_disk_is_not_tried_again(server, client, tmp_path):
    blobs = some_bytes(1000)
    push(client, "default", blobs)
    with pytest.raises(DiskFull):
        pull(client, "default", sizes_of(blobs), DirectoryStore(tmp_path / "there", reserve=1 << 60))
    assert server.sent == 0


# -- memory ------------------------------------------------------------------------------------------------------------


def test_memory_is_flat(server, client, tmp_path):
    blobs = some_bytes(40 * MB)
    files, sizes = as_files(blobs, tmp_path), sizes_of(blobs)
    blobs.clear()
    server.store = DirectoryStore(tmp_path / "server", reserve=0)
    tracemalloc.start()
    try:
        push(client, "default", files)
        assert tracemalloc.get_traced_memory()[1] < 8 * MB
    finally:
        tracemalloc.stop()
    _flat_pull(server, client, sizes, DirectoryStore(tmp_path / "there", reserve=0))


def _flat_pull(server: SmallServer, client: Client, sizes: dict[str, int], there: DirectoryStore) -> None:
    """The small server holds all of a window; that is its own affair."""
    tracemalloc.start()
    try:
        pull(client, "default", sizes, there)
        assert tracemalloc.get_traced_memory()[1] < 2 * _bulk.WINDOW + 12 * MB
    finally:
        tracemalloc.stop()
