"""What every store does."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from atoll.store import Store, digest_bytes
from atoll.values import AtollError, NotFound, ObjectDamaged, StoreError

A, B, EMPTY = b"first object " * 1000, b"another one " * 700, b""
DAY = 86_400.0


def object_of(size: int, seed: int = 0) -> tuple[str, bytes]:
    body = random.Random(seed).randbytes(size)
    return digest_bytes(body), body


def put(store: Store, *bodies: bytes) -> list[str]:
    digests = [digest_bytes(b) for b in bodies]
    store.put_all(dict(zip(digests, bodies, strict=True)))
    return digests


def receive(store: Store, digest: str, body: bytes, *, until: int | None = None, piece: int = 1000) -> None:
    with store.receive(digest, len(body)) as part:
        while part.held < (len(body) if until is None else until):
            part.write(body[part.held : part.held + piece])
        if until is None:
            part.finish()


# -- keeping and reading -------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [A, EMPTY, b"x"])
def test_what_is_put_can_be_read(store: Store, body: bytes) -> None:
    digest = digest_bytes(body)
    store.put(digest, body)
    assert bytes(store.open(digest)) == body
    assert store.size(digest) == len(body)
    assert store.has([digest, digest_bytes(b"no")]) == {digest}
    assert list(store.digests()) == [digest]
    store.verify(digest)
    path = store.path(digest)
    assert path is None or path.read_bytes() == body


def test_what_is_open_is_read_only_and_outlives_its_removal(store: Store) -> None:
    (digest,) = put(store, A)
    view = store.open(digest)
    assert view.readonly
    store.remove(digest)
    assert bytes(view) == A


def test_a_piece_can_be_read(store: Store) -> None:
    (digest,) = put(store, A)
    assert store.read(digest, 5, 100) == A[5:105]
    assert store.read(digest, len(A), 0) == b""
    for offset, length in [(0, len(A) + 1), (len(A), 1), (-1, 1), (5, -1)]:
        with pytest.raises(StoreError) as refused:
            store.read(digest, offset, length)
        assert refused.value.code == "object.bad-range"


def test_what_is_there_outlives_the_process(world: Any) -> None:
    digests = put(world.store, A, B)
    again = world.reopen()
    assert set(again.digests()) == again.has(digests) == set(digests)
    assert bytes(again.open(digests[1])) == B


def test_several_objects_are_put_at_once_and_twice(store: Store) -> None:
    bodies = [object_of(size, size)[1] for size in [0, 1, 10, *range(1000, 1150)]]
    digests = put(store, *bodies)
    assert put(store, *bodies) == digests
    assert [bytes(store.open(d)) for d in digests] == bodies
    assert sorted(store.digests()) == sorted(digests)


def test_bytes_of_another_hash_are_refused(store: Store) -> None:
    digest = digest_bytes(A)
    with pytest.raises(ObjectDamaged) as refused:
        store.put(digest, B)
    assert refused.value.code == "object.damaged"
    assert store.has([digest]) == set()


READS: dict[str, Callable[[Store, str], object]] = {
    "open": lambda s, d: s.open(d),
    "size": lambda s, d: s.size(d),
    "read": lambda s, d: s.read(d, 0, 0),
    "path": lambda s, d: s.path(d),
    "verify": lambda s, d: s.verify(d),
}


@pytest.mark.parametrize("name", READS)
def test_an_object_that_is_not_there_is_not_found(store: Store, name: str) -> None:
    with pytest.raises(NotFound) as refused:
        READS[name](store, digest_bytes(A))
    assert refused.value.code == "object.missing"


@pytest.mark.parametrize(
    "digest", ["", "x", "sha256:", "sha256:../../etc/passwd", "sha256:" + "A" * 64, "sha256:" + "a" * 63, "a" * 64, "sha256:" + "a" * 64 + "\n"]
)  # fmt: skip
def test_what_is_no_digest_is_refused(store: Store, digest: str) -> None:
    calls = [
        *READS.values(),
        lambda s, d: s.has([d]),
        lambda s, d: s.held([d]),
        lambda s, d: s.remove(d),
        lambda s, d: s.put(d, b""),
        lambda s, d: s.receive(d, 1),
    ]
    for call in calls:
        with pytest.raises(StoreError) as refused:
            call(store, digest)
        assert refused.value.code == "object.bad-digest"


def test_a_removed_object_is_gone_and_can_be_removed_again(store: Store) -> None:
    (digest,) = put(store, A)
    store.remove(digest)
    store.remove(digest)
    assert store.has([digest]) == set()
    put(store, A)
    assert bytes(store.open(digest)) == A


def test_a_file_becomes_an_object(store: Store, tmp_path: Path) -> None:
    (tmp_path / "spooled").write_bytes(A)
    assert store.adopt(tmp_path / "spooled") == digest_bytes(A)
    assert not (tmp_path / "spooled").exists()
    assert bytes(store.open(digest_bytes(A))) == A
    (tmp_path / "spooled").write_bytes(B)
    with pytest.raises(ObjectDamaged):
        store.adopt(tmp_path / "spooled", digest_bytes(A + B))
    assert store.has([digest_bytes(B), digest_bytes(A + B)]) == set()


@pytest.mark.skipif(os.name != "posix", reason="links and pipes")
@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "nothing"])
def test_what_is_no_file_does_not_become_an_object(store: Store, tmp_path: Path, kind: str) -> None:
    secret, path = tmp_path / "secret", tmp_path / "spooled"
    secret.write_bytes(A)
    {
        "link": lambda: path.symlink_to(secret), "pipe": lambda: os.mkfifo(path), "folder": path.mkdir, "nothing": lambda: None
    }[kind]()  # fmt: skip
    with pytest.raises(StoreError) as refused:
        store.adopt(path)
    assert refused.value.code == "object.not-a-file"
    assert list(store.digests()) == []
    assert secret.read_bytes() == A


@pytest.mark.skipif(os.name != "posix", reason="links")
def test_a_file_with_a_second_name_is_copied(store: Store, tmp_path: Path) -> None:
    path, second = tmp_path / "spooled", tmp_path / "second"
    path.write_bytes(A)
    os.link(path, second)
    digest = store.adopt(path)
    second.write_bytes(B)
    assert bytes(store.open(digest)) == A
    assert not path.exists()


# -- parts -----------------------------------------------------------------------------------------------------


def test_an_object_that_was_cut_off_goes_on_at_the_byte(world: Any) -> None:
    digest, body = object_of(10_001)
    receive(world.store, digest, body, until=3_000)
    store = world.reopen()
    assert store.has([digest]) == set()
    assert store.held([digest, digest_bytes(b"no")]) == {digest: 3_000}
    with store.receive(digest, len(body)) as part:
        assert part.held == 3_000
        assert store.held([digest]) == {}, "somebody is at it"
        part.write(body[3_000:])
        part.finish()
    assert bytes(store.open(digest)) == body
    assert store.held([digest]) == {}


@pytest.mark.parametrize("size", [3 << 20, (2 << 20) - 1, 1])
def test_the_buffer_of_a_chunk_may_be_used_again(world: Any, size: int) -> None:
    digest, body = object_of(size)
    buffer = bytearray(300_000)
    receive(world.store, digest, body, until=size // 3)
    with world.reopen().receive(digest, size) as part:
        while part.held < size:
            piece = body[part.held : part.held + len(buffer)]
            buffer[: len(piece)] = piece
            part.write(memoryview(buffer)[: len(piece)])
            buffer[:] = bytes(len(buffer))
        part.finish()
    assert bytes(world.store.open(digest)) == body


def test_an_object_is_not_finished_before_its_last_byte(store: Store) -> None:
    with store.receive(digest_bytes(A), len(A)) as part:
        part.write(A[:-1])
        with pytest.raises(StoreError) as refused:
            part.finish()
        assert refused.value.code == "object.cut-off"
        part.write(A[-1:])
        part.finish()
    assert bytes(store.open(digest_bytes(A))) == A


def test_more_than_was_announced_is_refused(store: Store) -> None:
    with store.receive(digest_bytes(A), len(A)) as part:
        part.write(A)
        with pytest.raises(StoreError) as refused:
            part.write(b"x")
        assert refused.value.code == "object.too-long"
        part.finish()
    assert bytes(store.open(digest_bytes(A))) == A


@pytest.mark.parametrize("size", [5_000, 3 << 20])
def test_other_bytes_than_the_digest_names_are_put_aside(store: Store, size: int) -> None:
    digest, body = object_of(size)
    wrong = bytearray(body)
    wrong[size // 2] ^= 1
    with pytest.raises(ObjectDamaged):
        receive(store, digest, bytes(wrong))
    assert store.has([digest]) == set()
    assert store.held([digest]) == {}, "it begins anew"
    receive(store, digest, body)
    assert bytes(store.open(digest)) == body


def test_a_part_that_is_longer_than_the_object_begins_anew(store: Store) -> None:
    digest, body = object_of(2_000)
    with store.receive(digest, 9_000) as part:  # whoever sent that was wrong about its size
        part.write(bytes(5_000))
    receive(store, digest, body)
    assert bytes(store.open(digest)) == body


def test_an_object_that_is_here_is_all_held(store: Store) -> None:
    (digest,) = put(store, A)
    with store.receive(digest, len(A)) as part:
        assert part.held == len(A)
        with pytest.raises(StoreError):
            part.write(b"x")
        part.finish()
    with pytest.raises(ObjectDamaged):
        store.receive(digest, len(A) + 1)
    assert bytes(store.open(digest)) == A


def test_an_empty_object_can_be_received(store: Store) -> None:
    receive(store, digest_bytes(b""), b"")
    assert bytes(store.open(digest_bytes(b""))) == b""


def test_two_receivers_of_one_object_are_not_in_each_others_way(store: Store) -> None:
    digest, body = object_of(9_000)
    with store.receive(digest, 9_000) as one, store.receive(digest, 9_000) as other:
        one.write(body[:5_000])
        assert other.held == 0
        other.write(body[:2_000])
        one.write(body[5_000:])
        other.write(body[2_000:])
        one.finish()
        assert bytes(store.open(digest)) == body
        other.finish()
    assert bytes(store.open(digest)) == body
    assert store.held([digest]) == {}


def test_a_liar_beside_an_honest_receiver_harms_nobody(store: Store) -> None:
    digest, body = object_of(9_000)
    with store.receive(digest, 9_000) as liar, store.receive(digest, 9_000) as honest:
        liar.write(bytes(9_000))
        honest.write(body)
        honest.finish()
        with pytest.raises(ObjectDamaged):
            liar.finish()
    assert bytes(store.open(digest)) == body


def test_many_receivers_at_once_some_of_them_cut_off_make_one_object(store: Store) -> None:
    digest, body = object_of(400_000)
    failures: list[BaseException] = []

    def attempt(seed: int) -> None:
        try:
            dice = random.Random(seed)
            receive(store, digest, body, until=dice.choice([None, dice.randrange(400_000)]), piece=7_001)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=attempt, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    receive(store, digest, body)
    assert bytes(store.open(digest)) == body


def test_several_parts_are_settled_at_once(store: Store) -> None:
    objects = [object_of(1_000 + n, n) for n in range(20)]
    parts = [store.receive(digest, len(body)) for digest, body in objects]
    for part, (_, body) in zip(parts, objects, strict=True):
        part.write(body if part is not parts[7] else bytes(len(body)))
    assert store.settle(parts) == {objects[7][0]}
    for part in parts:
        part.close()
    assert store.has(d for d, _ in objects) == {d for d, _ in objects} - {objects[7][0]}
    assert all(bytes(store.open(d)) == b for n, (d, b) in enumerate(objects) if n != 7)


# -- damage ------------------------------------------------------------------------------------------------------


def flipped(body: bytes, place: int) -> bytes:
    return body[:place] + bytes([body[place] ^ 0x10]) + body[place + 1 :]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "the first byte": lambda b: flipped(b, 0),
    "a byte in the middle": lambda b: flipped(b, len(b) // 2),
    "the last byte": lambda b: flipped(b, len(b) - 1),
    "truncated by one": lambda b: b[:-1],
    "truncated by half": lambda b: b[: len(b) // 2],
    "nothing left": lambda b: b"",
    "a byte more": lambda b: b + b"\0",
    "zeros": lambda b: bytes(len(b)),
}


@pytest.mark.parametrize("again", [False, True], ids=["same process", "another process"])
@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize("read", ["open", "read", "path", "verify"])
def test_a_damaged_object_is_detected_put_aside_and_can_come_anew(
    world: Any, how: str, read: str, again: bool
) -> None:
    digests = put(world.store, A, B)
    world.damage(digests[0], DAMAGE[how](A))
    store = world.reopen() if again else world.store
    with pytest.raises(ObjectDamaged) as detected:
        READS[read](store, digests[0])
    assert detected.value.code == "object.damaged"
    assert store.has(digests) == {digests[1]}
    with pytest.raises(NotFound):
        store.open(digests[0])
    put(store, A)
    assert bytes(store.open(digests[0])) == A


def test_a_damaged_object_is_replaced_by_a_good_one(world: Any) -> None:
    (digest,) = put(world.store, A)
    world.damage(digest, A[:-5])
    with pytest.raises(AtollError):
        world.store.open(digest)
    receive(world.store, digest, A)
    assert bytes(world.store.open(digest)) == A


# -- sweeping ----------------------------------------------------------------------------------------------------


def test_a_sweep_takes_what_is_old_and_not_to_be_kept(world: Any) -> None:
    digests = put(world.store, A, B)
    assert world.store.sweep({digests[0]}, 3_600) == set(), "all are young"
    world.now += DAY
    assert world.store.sweep(set(digests), 3_600) == set(), "all are kept"
    assert world.store.sweep({digests[0]}, 3_600) == {digests[1]}
    assert list(world.store.digests()) == [digests[0]]
    assert bytes(world.store.open(digests[0])) == A


def test_who_asks_for_an_object_makes_it_young(world: Any) -> None:
    digests = put(world.store, A, B)
    world.now += DAY
    assert world.store.has([digests[0]])
    with world.store.receive(digests[1], len(B)):
        pass
    assert world.store.sweep(set(), 3_600) == set()
    world.now += DAY
    assert world.store.sweep(set(), 3_600) == set(digests)


def test_a_sweep_never_takes_a_part_that_is_being_received(world: Any) -> None:
    digest, body = object_of(5_000)
    other, rest = object_of(6_000, 1)
    receive(world.store, other, rest, until=1_000)
    with world.store.receive(digest, len(body)) as part, world.store.receive(digest, len(body)) as beside:
        part.write(body[:2_000])
        beside.write(body[:1_000])
        world.now += DAY
        world.store.sweep(set(), 3_600)
        assert world.store.held([other]) == {}, "nobody came back for that one"
        part.write(body[2_000:])
        beside.write(body[1_000:])
        part.finish()
        beside.finish()
    assert bytes(world.store.open(digest)) == body


def test_a_young_part_survives_a_sweep(world: Any) -> None:
    digest, body = object_of(5_000)
    receive(world.store, digest, body, until=1_000)
    world.store.sweep(set(), 3_600)
    assert world.store.held([digest]) == {digest: 1_000}


# -- apart -----------------------------------------------------------------------------------------------------


def test_who_receives_apart_is_told_nothing_of_what_is_here(store: Store) -> None:
    (digest,) = put(store, A)
    with store.receive(digest, len(A), apart="heart") as part:
        assert part.held == 0
        part.write(A)
        part.finish()
    assert bytes(store.open(digest)) == A


def test_parts_that_came_apart_are_nobody_elses(store: Store) -> None:
    digest, body = object_of(9_000)
    receive(store, digest, body, until=4_000)
    with store.receive(digest, len(body), apart="heart") as part:
        assert part.held == 0
        part.write(body[:2_000])
    assert store.held([digest]) == {digest: 4_000}
    assert store.held([digest], apart="heart") == {digest: 2_000}
    assert store.held([digest], apart="lung") == {}
    with store.receive(digest, len(body), apart="heart") as part:
        part.write(body[part.held :])
        part.finish()
    assert store.has([digest]) == {digest}


def test_who_lies_apart_does_no_harm_to_what_is_here(store: Store) -> None:
    (digest,) = put(store, A)
    with store.receive(digest, len(A), apart="heart") as part:
        part.write(bytes(len(A)))
        assert store.settle([part]) == {digest}
    assert bytes(store.open(digest)) == A


def test_parts_apart_are_swept_like_others(store: Store) -> None:
    digest, body = object_of(9_000)
    with store.receive(digest, len(body), apart="heart") as part:
        part.write(body[:2_000])
    store.sweep(set(), -DAY)
    assert store.held([digest], apart="heart") == {}
