"""An upload, in whatever pieces it comes: what is whole is kept, what isn't goes on at the byte."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from door_world import Entry, upload
from hypothesis import given, settings
from hypothesis import strategies as st

from atoll.service.coordinator._refusals import Refusal
from atoll.service.coordinator._upload import Upload
from atoll.store import DirectoryStore, MemoryStore, Store, digest_bytes
from atoll.values import StoreError


def names(bodies: Iterable[bytes]) -> list[str]:
    return [digest_bytes(b) for b in bodies]


def entries(*bodies: bytes) -> list[Entry]:
    return [(digest_bytes(b), len(b), 0) for b in bodies]


def fed(store: Store, *chunks: bytes) -> Upload:
    sending = Upload(store)
    for chunk in chunks:
        sending.feed([chunk])
    return sending


@settings(deadline=None, max_examples=60)
@given(st.lists(st.binary(max_size=200), max_size=8), st.integers(1, 97))
def test_it_does_not_matter_where_the_body_is_cut(bodies: list[bytes], size: int) -> None:
    store, body = MemoryStore(), upload(entries(*bodies), *bodies)
    sending = fed(store, *(body[at : at + size] for at in range(0, len(body), size)))
    assert sending.finish() == names(bodies)
    sending.close()
    assert all(bytes(store.open(digest_bytes(b))) == b for b in bodies)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.binary(min_size=1, max_size=100), min_size=1, max_size=6, unique=True), st.data())
def test_what_was_cut_off_goes_on_at_the_byte(bodies: list[bytes], data: st.DataObject) -> None:
    store, body = MemoryStore(), upload(entries(*bodies), *bodies)
    begin = len(body) - sum(map(len, bodies))
    cut = data.draw(st.integers(begin, len(body) - 1))
    sending = fed(store, body[:cut])
    with pytest.raises(Refusal, match="cut off"):
        sending.finish()
    sending.close()
    here = store.has(names(bodies))
    held = store.held(names(bodies))
    assert sum(len(b) for b in bodies if digest_bytes(b) in here) + sum(held.values()) == cut - begin
    rest = [b for b in bodies if digest_bytes(b) not in here]
    listed = [(digest_bytes(b), len(b), held.get(digest_bytes(b), 0)) for b in rest]
    again = fed(store, upload(listed, *(b[held.get(digest_bytes(b), 0) :] for b in rest)))
    assert again.finish() == names(rest)
    assert all(bytes(store.open(digest_bytes(b))) == b for b in bodies)


def test_what_is_here_already_is_passed_over() -> None:
    store = MemoryStore()
    store.put(digest_bytes(b"known"), b"known")
    sending = fed(store, upload(entries(b"known", b"new"), b"known", b"new"))
    assert sending.finish() == names([b"known", b"new"])


def test_a_damaged_object_does_not_count_and_hinders_no_other(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    sending = fed(store, upload(entries(b"first", b"second", b"third"), b"first", b"sec0nd", b"third"))
    assert sending.finish() == names([b"first", b"third"])
    assert store.has(names([b"second"])) == set()


def test_hundreds_of_objects_hold_few_files_open(tmp_path: Path) -> None:
    store, bodies = DirectoryStore(tmp_path), [str(n).encode() for n in range(300)]
    body = upload(entries(*bodies), *bodies)
    sending, most = Upload(store), 0
    for at in range(0, len(body), 100):
        sending.feed([body[at : at + 100]])
        most = max(most, len(sending._whole))
    assert sending.finish() == names(bodies)
    assert 0 < most <= 64


def test_a_gap_is_refused_so_that_it_is_asked_again() -> None:
    with pytest.raises(Refusal) as refused:
        fed(MemoryStore(), upload([(digest_bytes(b"abcdef"), 6, 3)], b"def"))
    assert (refused.value.status, refused.value.code) == (503, "object.gap")


@pytest.mark.parametrize(
    "body",
    [
        b"\0" * 8,
        b"\xff" * 8,
        upload([(digest_bytes(b"a"), 1, 2)]),
        upload([(digest_bytes(b"a"), -1, 0)]),
        upload([(digest_bytes(b"a"), 1 << 60, 0)]),
        upload(entries(b"a"), b"a", b"more"),
        (5).to_bytes(8, "little") + b"{}   ",
    ],
)
def test_a_malformed_upload_is_refused(body: bytes) -> None:
    with pytest.raises((Refusal, ValueError)):
        fed(MemoryStore(), body).finish()


def test_a_name_that_is_no_digest_is_refused() -> None:
    with pytest.raises(StoreError, match="no digest"):
        fed(MemoryStore(), upload([("../../etc/passwd", 1, 0)], b"a"))


@pytest.mark.parametrize("cut", [0, 3, 8, 20])
def test_an_upload_that_ends_inside_its_list_is_refused(cut: int) -> None:
    sending = fed(MemoryStore(), upload(entries(b"a"), b"a")[:cut])
    with pytest.raises(Refusal, match="inside its list"):
        sending.finish()


def test_letting_go_in_the_middle_keeps_what_is_whole(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    sending = fed(store, upload(entries(b"whole", b"half"), b"whole", b"ha"))
    sending.close()
    assert store.has(names([b"whole", b"half"])) == {digest_bytes(b"whole")}
    assert store.held(names([b"half"])) == {digest_bytes(b"half"): 2}
