"""A federation behind a bad network, and large objects that get through it."""

from __future__ import annotations

import hashlib
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults import Chances, Fault, Proxy
from ordeal import Ordeal, free_port
from verdict import examine

from atoll.store import DirectoryStore
from atoll.values import ObjectDamaged
from atoll.wire import About, Address, Client, pull, push

SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)
SIZE = 8 << 20
OFTEN = {"latency": 0.1, "reset": 0.06, "truncate": 0.06, "duplicate": 0.1, "reorder": 0.1}


def calm(_method: str, _path: str, _length: int) -> Fault | None:
    """A good network."""
    return None


@pytest.mark.parametrize(
    ("nodes", "rounds", "chances"),
    [
        pytest.param(3, 8, OFTEN),
        pytest.param(8, 60, {**OFTEN, "half-open": 0.002}, marks=pytest.mark.chaos),
    ],
    ids=["short", "long"],
)
@pytest.mark.timeout(3600)
def test_a_bad_network_changes_nothing(
    nodes: int, rounds: int, chances: dict[str, float], tmp_path: Path
) -> None:
    print(f"SEED={SEED}")
    port = free_port()
    proxy = Proxy(port, Chances(SEED, chances))
    ordeal = Ordeal(tmp_path / "federation", nodes=nodes, port=port, through=proxy.port)
    try:
        ordeal.begin(rounds=rounds, work=0.03)
        examine(ordeal, rounds)
    finally:
        print(f"{proxy.requests} requests, faults: {dict(proxy.done)}")
        ends = ordeal.close()
        proxy.close()
    assert set(ends.values()) == {0}, ordeal.tails()
    assert sum(proxy.done.values()) >= 2 * rounds, "the network was hardly bad"


class Way:
    """A coordinator, a client of it through a proxy, and a client that goes straight."""

    def __init__(self, folder: Path) -> None:
        self.ordeal = Ordeal(folder, nodes=0)
        self.proxy = Proxy(self.ordeal.port, calm)
        address = Address(f"http://127.0.0.1:{self.proxy.port}", token=self.ordeal.address.token)
        self.client = Client(address, agent="faults", patience=30)
        content = random.Random(SEED).randbytes(SIZE)
        self.digest, self.content = "sha256:" + hashlib.sha256(content).hexdigest(), content

    def cut(self, path: str, way: str, random: random.Random) -> None:
        """Cut every transfer off after a random part of it."""

        def choose(_method: str, asked: str, _length: int) -> Fault | None:
            if not asked.startswith(path):
                return None
            return Fault("truncate", way, random.randrange(SIZE // 8, SIZE // 2))

        self.proxy.choose = choose

    def damage(self, path: str, way: str, times: int) -> None:
        """Turn a byte of so many transfers around."""

        left = [Fault("damage", way, SIZE // 2)] * times

        def choose(_method: str, asked: str, _length: int) -> Fault | None:
            return left.pop() if asked.startswith(path) and left else None

        self.proxy.choose = choose

    def close(self) -> None:
        self.client.close()
        self.proxy.close()
        self.ordeal.close()


@pytest.fixture
def way(tmp_path: Path) -> Iterator[Way]:
    made = Way(tmp_path / "federation")
    yield made
    made.close()


def test_a_large_object_that_is_cut_off_goes_on_at_the_byte(way: Way, tmp_path: Path) -> None:
    print(f"SEED={SEED}")
    chance = random.Random(SEED)
    way.cut("/v1/objects?", "up", chance)
    push(way.client, "default", {way.digest: way.content})
    pushed, cuts = way.proxy.passed["up"], sum(way.proxy.done.values())
    assert cuts >= 1
    assert SIZE <= pushed < 2 * SIZE, f"{pushed:,} bytes with {cuts} cuts"

    way.cut("/v1/objects/fetch", "down", chance)
    store, before = DirectoryStore(tmp_path / "store"), way.proxy.passed["down"]
    pull(way.client, "default", {way.digest: SIZE}, store)
    pulled, more = way.proxy.passed["down"] - before, sum(way.proxy.done.values()) - cuts
    assert more >= 1
    assert SIZE <= pulled < 2 * SIZE, f"{pulled:,} bytes with {more} cuts"
    assert bytes(store.open(way.digest)) == way.content
    print(f"{SIZE:,} bytes: up {pushed:,} with {cuts} cuts, down {pulled:,} with {more}")


def test_damaged_bytes_are_noticed_and_sent_again(way: Way, tmp_path: Path) -> None:
    way.damage("/v1/objects?", "up", 1)
    push(way.client, "default", {way.digest: way.content})
    assert way.proxy.done["damage"] == 1
    assert way.proxy.passed["up"] > 2 * SIZE, "the damaged object was believed"

    way.damage("/v1/objects/fetch", "down", 1)
    store = DirectoryStore(tmp_path / "store")
    pull(way.client, "default", {way.digest: SIZE}, store)
    assert way.proxy.done["damage"] == 2
    assert bytes(store.open(way.digest)) == way.content


def test_what_comes_damaged_always_is_an_error(way: Way, tmp_path: Path) -> None:
    way.damage("/v1/objects?", "up", 9)
    with pytest.raises(ObjectDamaged):
        push(way.client, "default", {way.digest: way.content})
    way.damage("", "", 0)
    push(way.client, "default", {way.digest: way.content})
    way.damage("/v1/objects/fetch", "down", 9)
    store = DirectoryStore(tmp_path / "store")
    with pytest.raises(ObjectDamaged):
        pull(way.client, "default", {way.digest: SIZE}, store)
    assert not store.has([way.digest])


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_connection_that_fell_silent_is_given_up(
    way: Way, direction: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atoll.wire._client.MARGIN", 0.5)
    silent = [Fault("half-open", direction, 20)]
    way.proxy.choose = lambda *_: silent.pop() if silent else None
    began = time.monotonic()
    way.client.call("GET", "/v1/about", None, About)
    assert way.proxy.done["half-open"] == 1
    assert 0.5 <= time.monotonic() - began < 10
