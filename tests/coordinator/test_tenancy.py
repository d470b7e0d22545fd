"""What a federation learns of another's objects: nothing, by whatever way it asks."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from identified_world import BUNDLE, HEART, LUNG, Said, Town, key

from atoll.store import digest_bytes
from atoll.wire import Refused, push

SECRET = b"what lung has trained " * 5000


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with Town(tmp_path_factory.mktemp("town")).open() as town:
        town.settle()
        town.keep("lena", LUNG, SECRET)
        yield town


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Town]:
    """A town that the test may change."""
    with Town(tmp_path).open() as town:
        town.settle()
        yield town


def lack(town: Town, name: str, federation: str, *bodies: bytes) -> dict[str, int]:
    objects = {digest_bytes(body): len(body) for body in bodies}
    said = town.ask(name, "POST", "/v1/objects/lack", {"federation": federation, "objects": objects})
    assert said.status == 200, said
    return dict(said.document.get("lack", {}))


def fetch(town: Town, name: str, federation: str, body: bytes) -> Said:
    pieces = [[digest_bytes(body), 0, len(body)]]
    return town.ask(name, "POST", "/v1/objects/fetch", {"federation": federation, "pieces": pieces})


def put(
    town: Town, name: str, federation: str, content: bytes, *, entry: list[Any], cut: int | None = None
) -> Said:
    listed = json.dumps([entry]).encode()
    whole = len(listed).to_bytes(8, "little") + listed + content
    path = f"/v1/objects?federation={federation}"
    return town.send("PUT", path, whole, town.signed(name, "PUT", path, length=len(whole)))


def shape(said: Said, body: bytes) -> tuple[int, Any]:
    """What an answer tells, but for the digest that was asked for."""
    text = said.body.replace(digest_bytes(body).encode(), b"DIGEST")
    return said.status, json.loads(text)


def test_an_object_of_another_federation_is_lacking(town: Town) -> None:
    assert lack(town, "ann", HEART, SECRET) == {digest_bytes(SECRET): 0}
    assert lack(town, "lena", LUNG, SECRET) == {}


def test_to_fetch_it_is_like_to_fetch_what_there_isn_t(town: Town) -> None:
    nothing = b"nobody ever had this"
    assert fetch(town, "lena", LUNG, SECRET).body == SECRET
    for name in ("ann", "east", "harbour", "chief"):
        found = shape(fetch(town, name, HEART, SECRET), SECRET)
        assert found == shape(fetch(town, name, HEART, nothing), nothing)
        assert found[0] == 404


@pytest.mark.parametrize("path", ["/v1/objects/{}", "/v1/bundles/{}"])
def test_to_get_it_is_like_to_get_what_there_isn_t(town: Town, path: str) -> None:
    nothing = b"nobody ever had this"
    there = town.ask("ann", "GET", path.format(digest_bytes(SECRET)))
    assert shape(there, SECRET) == shape(town.ask("ann", "GET", path.format(digest_bytes(nothing))), nothing)
    assert there.status == 404
    assert town.ask("lena", "GET", path.format(digest_bytes(SECRET))).body == SECRET


@pytest.mark.parametrize(
    "headers", [{"range": "bytes=0-3"}, {"range": "bytes=-3"}, {"range": "bytes=99999999-"}]
)
def test_ranges_tell_nothing_either(town: Town, headers: dict[str, str]) -> None:
    path = f"/v1/objects/{digest_bytes(SECRET)}"
    assert town.ask("ann", "GET", path, headers=headers).status == 404


def test_one_s_own_federation_can_t_be_named_for_another_s_object(town: Town) -> None:
    assert fetch(town, "ann", LUNG, SECRET).status == 404
    assert fetch(town, "ann", LUNG, SECRET).code == "federation.unknown"


def test_a_run_can_t_begin_with_another_federation_s_bundle(own: Town) -> None:
    other = own.keep("lena", LUNG, b"lung's own bundle")
    said = own.ask("ann", "POST", "/v1/runs", own.new_run(HEART, bundle=other))
    missing = own.ask("ann", "POST", "/v1/runs", own.new_run(HEART, bundle=digest_bytes(b"no")))
    assert (said.status, said.code) == (missing.status, missing.code) == (409, "object.missing")


def test_a_preflight_can_t_be_made_with_another_federation_s_bundle(own: Town) -> None:
    other = own.keep("lena", LUNG, b"lung's own bundle")
    check = {"federation": HEART, "bundle": other, "app": {}}
    assert own.ask("ann", "POST", "/v1/checks", check).code == "object.missing"


def test_a_program_can_t_name_what_is_another_federation_s(own: Town) -> None:
    """Named by a run of heart it would be heart's."""
    other = own.keep("lena", LUNG, SECRET)
    run = own.runs["ann"]
    own.lend("ann", run, "program")
    fence = own.ask("program", "POST", f"/v1/runs/{run}/attend", {"where": "here"}).document["fence"]
    say = {"fence": fence, "at": 1, "objects": {"state-x": {"objects": {other: len(SECRET)}}}}
    said = own.ask("program", "POST", f"/v1/runs/{run}/say", say)
    assert (said.status, said.code) == (409, "object.missing")
    assert fetch(own, "ann", HEART, SECRET).status == 404


def test_what_is_brought_is_one_s_own_from_then_on(own: Town) -> None:
    own.keep("lena", LUNG, SECRET)
    assert own.keep("ann", HEART, SECRET) == digest_bytes(SECRET)
    assert lack(own, "bob", HEART, SECRET) == {}
    assert fetch(own, "bob", HEART, SECRET).body == SECRET


def test_who_brings_other_bytes_under_its_name_gets_nothing(own: Town) -> None:
    """To know a digest is not to have the object."""
    digest = own.keep("lena", LUNG, SECRET)
    said = put(own, "ann", HEART, bytes(len(SECRET)), entry=[digest, len(SECRET), 0])
    assert digest not in said.document.get("stored", [])
    assert fetch(own, "ann", HEART, SECRET).status == 404
    assert fetch(own, "lena", LUNG, SECRET).body == SECRET


@pytest.mark.parametrize("offset", [1, 1000, len(SECRET)])
def test_who_claims_to_have_sent_the_beginning_gets_nothing(own: Town, offset: int) -> None:
    digest = own.keep("lena", LUNG, SECRET)
    said = put(own, "ann", HEART, SECRET[offset:], entry=[digest, len(SECRET), offset])
    assert (said.status, said.code) == (503, "object.gap")
    assert fetch(own, "ann", HEART, SECRET).status == 404


def test_a_wrong_size_tells_nothing_of_the_right_one(own: Town) -> None:
    digest = own.keep("lena", LUNG, SECRET)
    nothing = digest_bytes(b"nobody ever had this")
    there = put(own, "ann", HEART, b"short", entry=[digest, 5, 0])
    assert (there.status, there.body) == (200, put(own, "ann", HEART, b"short", entry=[nothing, 5, 0]).body)


def test_half_an_upload_is_nobody_else_s(own: Town) -> None:
    digest = digest_bytes(SECRET)
    put(own, "lena", LUNG, SECRET[:50_000], entry=[digest, len(SECRET), 0])
    assert lack(own, "lena", LUNG, SECRET) == {digest: 50_000}
    assert lack(own, "ann", HEART, SECRET) == {digest: 0}
    said = put(own, "ann", HEART, SECRET[50_000:], entry=[digest, len(SECRET), 50_000])
    assert said.code == "object.gap"
    said = put(own, "lena", LUNG, SECRET[50_000:], entry=[digest, len(SECRET), 50_000])
    assert said.document == {"stored": [digest]}


def test_what_two_have_is_kept_once(own: Town) -> None:
    digest = own.keep("lena", LUNG, SECRET)
    own.keep("ann", HEART, SECRET)
    files = list((own.home / "objects").glob(f"??/{digest[7:]}"))
    assert len(files) == 1
    assert not [p for p in (own.home / "objects" / "apart").rglob("*") if p.is_file()]


def test_a_client_brings_what_another_federation_has_and_notices_nothing(own: Town) -> None:
    own.keep("lena", LUNG, SECRET)
    client = own.client("ann", patience=5.0)
    push(client, HEART, {digest_bytes(SECRET): SECRET})
    client.close()
    assert lack(own, "ann", HEART, SECRET) == {}


def test_what_runs_name_is_known_after_a_restart_and_what_was_only_brought_is_not(tmp_path: Path) -> None:
    with Town(tmp_path).open() as town:
        town.settle()
        town.keep("ann", HEART, SECRET)
    with Town(tmp_path).open() as town:
        assert lack(town, "ann", HEART, BUNDLE, SECRET) == {digest_bytes(SECRET): 0}
        assert lack(town, "lena", LUNG, BUNDLE) == {}
        assert fetch(town, "ann", HEART, BUNDLE).body == BUNDLE


def test_what_a_removed_run_named_is_no_more_the_federation_s(own: Town) -> None:
    """Though another federation still has it."""
    assert fetch(own, "ann", HEART, BUNDLE).body == BUNDLE
    own.ask("ann", "POST", f"/v1/runs/{own.runs['ann']}/stop")
    own.do(lambda: forget(own, HEART))
    assert own.ask("ann", "DELETE", f"/v1/runs/{own.runs['ann']}").status == 200
    assert fetch(own, "ann", HEART, BUNDLE).status == 404
    assert fetch(own, "lena", LUNG, BUNDLE).body == BUNDLE


async def forget(town: Town, federation: str) -> None:
    town.desk._books.tenancy._brought.pop(federation, None)


def test_whether_others_have_it_takes_no_other_time(own: Town) -> None:
    """The store isn't asked at all: what takes its time there doesn't show."""
    own.keep("lena", LUNG, SECRET)
    store = own.desk._books.store
    asked: list[str] = []
    has, held = store.has, store.held
    store.has = lambda digests: has([asked.append(d) or d for d in digests])  # type: ignore[method-assign, func-returns-value]
    assert digest_bytes(SECRET) in lack(own, "ann", HEART, SECRET)
    assert asked == []
    store.has, store.held = has, held  # type: ignore[method-assign]

    def seconds(body: bytes) -> float:
        began = time.perf_counter()
        lack(own, "ann", HEART, body)
        return time.perf_counter() - began

    pairs = [(seconds(SECRET), seconds(b"%d" % n)) for n in range(30)]
    theirs, nobodys = (statistics.median(column) for column in zip(*pairs, strict=True))
    assert 0.5 < theirs / nobodys < 2


def test_another_federation_s_runs_and_their_manifests_are_not_there(town: Town) -> None:
    run = town.runs["lena"]
    for path in (f"/v1/runs/{run}", f"/v1/runs/{run}/shelf?keys=state-1", f"/v1/runs/{run}/events"):
        assert (said := town.ask("ann", "GET", path)).status == 404, said


def test_the_client_s_words_are_the_same(town: Town) -> None:
    client = town.client("ann")
    with pytest.raises(Refused) as refused:
        client.fetch(f"/v1/bundles/{digest_bytes(SECRET)}")
    assert (refused.value.code, refused.value.status) == ("object.missing", 404)
    client.close()
    assert key("ann").id not in refused.value.message
