"""A federation behind a bad network, and large objects that get through it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from crossing import DOWN, UP, Fate, Kind
from faulty_way import FaultyWay
from ordeal import Ordeal, free_port
from verdict import examine

from atoll.store import DirectoryStore
from atoll.values import ObjectDamaged
from atoll.wire import About, Address, Client, pull, push

SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)
SIZE = 8 << 20
OFTEN: dict[Kind, float] = {"reset": 0.06, "cut": 0.06, "twice": 0.06, "again-later": 0.06, "held-back": 0.1}
LATE = 0.005  # seconds at most, for each piece each way
REACH = 500  # bytes of a request or its answer within which something goes wrong: most have as many


@pytest.mark.parametrize(
    ("nodes", "rounds", "chances"),
    [
        pytest.param(3, 8, OFTEN),
        pytest.param(8, 60, {**OFTEN, "silence": 0.002}, marks=pytest.mark.chaos),
    ],
    ids=["short", "long"],
)
@pytest.mark.timeout(3600)
def test_a_bad_network_changes_nothing(
    nodes: int, rounds: int, chances: dict[Kind, float], tmp_path: Path
) -> None:
    print(f"SEED={SEED}")
    port = free_port()
    with FaultyWay(port, seed=SEED, chances=chances, latency=LATE, reach=REACH) as bad:
        try:
            with Ordeal(tmp_path / "federation", nodes=nodes, port=port, through=bad.port) as ordeal:
                ordeal.begin(rounds=rounds, work=0.03)
                examine(ordeal, rounds)
        finally:
            print(f"{bad.connections} connections, faults: {dict(bad.done)}")
    assert set(bad.done) == set(chances), "not everything went wrong that can"
    assert sum(bad.done.values()) >= 2 * rounds, "the network was hardly bad"


class Way:
    """A coordinator, and a client of it that meets with faults."""

    def __init__(self, ordeal: Ordeal, bad: FaultyWay, client: Client) -> None:
        self.ordeal, self.bad, self.client = ordeal, bad, client
        content = random.Random(SEED).randbytes(SIZE)
        self.digest, self.content = "sha256:" + hashlib.sha256(content).hexdigest(), content

    def cut(self, path: str, direction: str, random: random.Random) -> None:
        """Cut every transfer off after a random part of it."""

        def choose(target: str) -> Fate | None:
            if not target.startswith(path):
                return None
            return Fate("cut", direction, random.randrange(SIZE // 8, SIZE // 2))

        self.bad.choose = choose

    def damage(self, path: str, direction: str, times: int) -> None:
        """Turn a byte of so many transfers around."""
        left = [Fate("damaged", direction, SIZE // 2)] * times

        def choose(target: str) -> Fate | None:
            return left.pop() if target.startswith(path) and left else None

        self.bad.choose = choose


@pytest.fixture
def way(tmp_path: Path) -> Iterator[Way]:
    with contextlib.ExitStack() as stack:
        ordeal = stack.enter_context(Ordeal(tmp_path / "federation", nodes=0))
        bad = stack.enter_context(FaultyWay(ordeal.port))
        address = Address(f"http://127.0.0.1:{bad.port}", token=ordeal.address.token)
        client = Client(address, agent="faults", patience=30)
        stack.callback(client.close)
        yield Way(ordeal, bad, client)


def test_a_large_object_that_is_cut_off_goes_on_at_the_byte(way: Way, tmp_path: Path) -> None:
    print(f"SEED={SEED}")
    chance = random.Random(SEED)
    way.cut("/v1/objects?", UP, chance)
    push(way.client, "default", {way.digest: way.content})
    pushed, cuts = way.bad.passed[UP], sum(way.bad.done.values())
    assert cuts >= 1
    assert SIZE <= pushed < 2 * SIZE, f"{pushed:,} bytes with {cuts} cuts"

    way.cut("/v1/objects/fetch", DOWN, chance)
    store, before = DirectoryStore(tmp_path / "store"), way.bad.passed[DOWN]
    pull(way.client, "default", {way.digest: SIZE}, store)
    pulled, more = way.bad.passed[DOWN] - before, sum(way.bad.done.values()) - cuts
    assert more >= 1
    assert SIZE <= pulled < 2 * SIZE, f"{pulled:,} bytes with {more} cuts"
    assert bytes(store.open(way.digest)) == way.content
    print(f"{SIZE:,} bytes: up {pushed:,} with {cuts} cuts, down {pulled:,} with {more}")


def test_damaged_bytes_are_noticed_and_sent_again(way: Way, tmp_path: Path) -> None:
    way.damage("/v1/objects?", UP, 1)
    push(way.client, "default", {way.digest: way.content})
    assert way.bad.done["damaged"] == 1
    assert way.bad.passed[UP] > 2 * SIZE, "the damaged object was believed"

    way.damage("/v1/objects/fetch", DOWN, 1)
    store = DirectoryStore(tmp_path / "store")
    pull(way.client, "default", {way.digest: SIZE}, store)
    assert way.bad.done["damaged"] == 2
    assert bytes(store.open(way.digest)) == way.content


def test_what_comes_damaged_always_is_an_error(way: Way, tmp_path: Path) -> None:
    way.damage("/v1/objects?", UP, 9)
    with pytest.raises(ObjectDamaged):
        push(way.client, "default", {way.digest: way.content})
    way.damage("", UP, 0)
    push(way.client, "default", {way.digest: way.content})
    way.damage("/v1/objects/fetch", DOWN, 9)
    store = DirectoryStore(tmp_path / "store")
    with pytest.raises(ObjectDamaged):
        pull(way.client, "default", {way.digest: SIZE}, store)
    assert not store.has([way.digest])


@pytest.mark.parametrize("direction", [UP, DOWN])
def test_a_connection_that_fell_silent_is_given_up(
    way: Way, direction: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atoll.wire._client.MARGIN", 0.5)
    way.bad.next(Fate("silence", direction, 20))
    began = time.monotonic()
    way.client.call("GET", "/v1/about", None, About)
    assert way.bad.done["silence"] == 1
    assert 0.5 <= time.monotonic() - began < 10
