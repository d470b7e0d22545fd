"""Objects through the door: many in one request, ranges, what is cut off, what is not there; and flat memory."""

from __future__ import annotations

import hashlib
import json
import select
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise

import pytest
from coordinator_process import Process
from door_world import Caller, memory, random_bytes, upload

from atoll.store import digest_bytes

MIB = 1 << 20


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """A coordinator for all of these tests."""
    with Process(tmp_path_factory.mktemp("coordinator")) as process:
        yield Caller(process)
        assert process.end() == 0
    assert "traceback" not in process.log.read_text()


def test_many_objects_in_one_request_and_out_in_another(ask: Caller) -> None:
    bodies = [random_bytes(n) for n in (0, 1, 100, 70_000, 3 * MIB + 7, 2, 1000)]
    digests = ask.keep(*bodies)
    assert ask.lack({d: len(b) for d, b in zip(digests, bodies, strict=True)}) == {}
    said = ask.fetch(*((d, 0, len(b)) for d, b in zip(digests, bodies, strict=True)))
    assert (said.status, said.body) == (200, b"".join(bodies))
    assert said.headers["content-length"] == str(len(said.body))


def test_pieces_come_in_the_order_that_they_were_asked_for(ask: Caller) -> None:
    first, second = random_bytes(5 * MIB), random_bytes(1000)
    one, other = ask.keep(first, second)
    said = ask.fetch((other, 990, 10), (one, 7, 3 * MIB), (other, 0, 1), (one, 0, 0), (one, 5 * MIB - 1, 1))
    assert said.body == second[990:] + first[7 : 7 + 3 * MIB] + second[:1] + first[-1:]


@pytest.mark.parametrize("asked", [None, "bytes=0-", "bytes=10-19", "bytes=999-5000", "bytes=-10", "bytes=-5000", "pages=1-2", "bytes=5-2",
                                   "bytes=0-1,3-4"])  # fmt: skip
@pytest.mark.parametrize("where", ["objects", "bundles"])
def test_a_range_of_one_object(ask: Caller, asked: str | None, where: str) -> None:
    body = bytes(range(250)) * 4
    (digest,) = ask.keep(body)
    said = ask("GET", f"/v1/{where}/{digest}", **({"Range": asked} if asked else {}))
    parts = {
        "bytes=0-": body,
        "bytes=10-19": body[10:20],
        "bytes=999-5000": body[999:],
        "bytes=-10": body[-10:],
        "bytes=-5000": body,
    }
    assert said.status == (206 if asked in parts else 200)
    assert said.body == parts.get(asked or "", body)
    if asked == "bytes=10-19":
        assert said.headers["content-range"] == "bytes 10-19/1000"


@pytest.mark.parametrize("asked", ["bytes=1000-", "bytes=5000-6000", "bytes=-0"])
def test_a_range_beyond_the_end_is_refused(ask: Caller, asked: str) -> None:
    (digest,) = ask.keep(b"x" * 1000)
    said = ask("GET", f"/v1/objects/{digest}", Range=asked)
    assert (said.status, said.code) == (416, "object.bad-range")


def test_what_is_not_there_is_refused_before_anything_is_sent(ask: Caller) -> None:
    (here,) = ask.keep(b"here")
    gone = digest_bytes(b"never sent")
    assert (ask.fetch((here, 0, 4), (gone, 0, 1)).status, ask.fetch((gone, 0, 1)).code) == (
        404,
        "object.missing",
    )
    assert ask("GET", f"/v1/objects/{gone}").code == "object.missing"
    assert (ask.fetch((here, 1, 4)).status, ask.fetch((here, 1, 4)).code) == (409, "object.bad-range")
    assert ask.fetch(("sha256:abc", 0, 1)).status == 400


def test_a_federation_that_is_not_there_keeps_nothing(ask: Caller) -> None:
    said = ask.put([(digest_bytes(b"a"), 1, 0)], b"a", federation="nowhere")
    assert (said.status, said.code) == (404, "federation.unknown")
    assert ask.fetch(federation="nowhere").code == "federation.unknown"


def test_an_upload_that_breaks_off_goes_on_where_it_was(ask: Caller) -> None:
    whole, broken = random_bytes(100_000), random_bytes(5 * MIB)
    names = {digest_bytes(whole): len(whole), digest_bytes(broken): len(broken)}
    body = upload([(d, n, 0) for d, n in names.items()], whole, broken)
    with ask.begun("PUT", "/v1/objects", length=len(body), begin=body[: len(body) - MIB]):
        pass
    until = time.monotonic() + 10
    while len(lacking := ask.lack(names)) > 1 or not lacking.get(digest_bytes(broken)):
        assert time.monotonic() < until, lacking
        select.select([], [], [], 0.02)  # it has yet to see that nothing more comes
    held = lacking[digest_bytes(broken)]
    assert held == 4 * MIB
    assert ask.put([(digest_bytes(broken), len(broken), held)], broken[held:]).status == 200
    assert (
        hashlib.sha256(ask("GET", f"/v1/objects/{digest_bytes(broken)}").body).digest()
        == hashlib.sha256(broken).digest()
    )


def test_an_object_that_comes_damaged_is_not_stored(ask: Caller) -> None:
    good, bad = random_bytes(1000), random_bytes(1000)
    said = ask.put([(digest_bytes(bad), 1000, 0), (digest_bytes(good), 1000, 0)], b"\0" * 1000, good)
    assert said.document == {"stored": [digest_bytes(good)]}
    assert ask.lack({digest_bytes(bad): 1000}) == {digest_bytes(bad): 0}


def test_malformed_uploads_are_refused(ask: Caller) -> None:
    for body in (
        b"",
        b"x",
        b"\xff" * 8,
        upload([("sha256:abc", 1, 0)], b"a"),
        upload([(digest_bytes(b"a"), 1, 0)], b"ab"),
    ):
        said = ask("PUT", "/v1/objects", body)
        assert (said.status, said.headers["content-type"]) == (400, "application/json"), body


@pytest.mark.parametrize("how", ["one", "some"])
def test_a_download_that_breaks_off_is_not_counted_as_one_that_succeeded(ask: Caller, how: str) -> None:
    (digest,) = ask.keep(random_bytes(64 * MIB))
    method, path, route = "GET", f"/v1/objects/{digest}", "/v1/objects/{digest}"
    body = b""
    if how == "some":
        method, path, route = "POST", "/v1/objects/fetch", "/v1/objects/fetch"
        pieces = [(digest, 0, 32 * MIB), (digest, 32 * MIB, 32 * MIB)]
        body = json.dumps({"federation": "default", "pieces": pieces}).encode()
    before = _counted(ask, method, route)
    with ask.begun(method, path, length=len(body), begin=body) as connection:
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
    until = time.monotonic() + 10
    while (now := _counted(ask, method, route)) == before:
        assert time.monotonic() < until
        select.select([], [], [], 0.02)  # it has yet to see that nobody takes it
    assert now.get("499", 0) == before.get("499", 0) + 1
    assert now.get("200", 0) == before.get("200", 0)


def _counted(ask: Caller, method: str, route: str) -> dict[str, int]:
    """How many requests were answered with which status."""
    begin = f'atoll_requests_total{{method="{method}",route="{route}",status="'
    lines = ask("GET", "/metrics").body.decode().splitlines()
    found = (line.removeprefix(begin).split('"} ') for line in lines if line.startswith(begin))
    return {status: int(number) for status, number in found}


@pytest.mark.parametrize("cuts", [(0, 128 * MIB), (0, 1, 64 * MIB, 128 * MIB), range(0, 128 * MIB, MIB // 2)])
def test_one_that_does_not_read_what_it_asked_for_costs_no_memory(ask: Caller, cuts: Sequence[int]) -> None:
    (digest,) = ask.keep(random_bytes(128 * MIB))
    before = memory(ask.process.child.pid)
    body = json.dumps(
        {"federation": "default", "pieces": [(digest, b, e - b) for b, e in pairwise(cuts)]}
    ).encode()
    with ask.begun("POST", "/v1/objects/fetch", length=len(body), begin=body) as connection:
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        select.select([], [], [], 1.0)
        assert memory(ask.process.child.pid) - before < 32 * MIB
    assert ask("GET", "/v1/nodes").status == 200


def test_a_large_upload_costs_no_memory(ask: Caller) -> None:
    body = random_bytes(MIB) * 128
    ask.keep(random_bytes(8 * MIB))
    before, most = memory(ask.process.child.pid), 0
    listed = upload([(digest_bytes(body), len(body), 0)])
    with ask.begun("PUT", "/v1/objects", length=len(listed) + len(body), begin=listed) as connection:
        for at in range(0, len(body), MIB):
            connection.sendall(body[at : at + MIB])
            most = max(most, memory(ask.process.child.pid))
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
    assert most - before < 64 * MIB
