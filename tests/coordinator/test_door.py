"""The door of a coordinator: whom it lets in, and what it says to those whom it doesn't understand."""

from __future__ import annotations

import http.client
import select
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from coordinator_process import Process
from door_world import Caller


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """A coordinator for all of these tests."""
    with Process(tmp_path_factory.mktemp("coordinator")) as process:
        yield Caller(process)
        assert process.end() == 0
    assert "traceback" not in process.log.read_text()


@pytest.mark.parametrize(
    "path", ["/v1/about", "/v1/runs", "/metrics", "/v1/nothing", f"/v1/objects/sha256:{'0' * 64}"]
)
@pytest.mark.parametrize("token", ["", "Bearer wrong", "Bearer ", "Basic Zm9v"])
def test_nobody_comes_in_without_the_token(ask: Caller, path: str, token: str) -> None:
    said = ask("GET", path, Authorization=token)
    assert (said.status, said.code) == (401, "request.no-token")
    assert said.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/openapi.json"])
def test_whether_it_lives_and_what_it_understands_is_told_to_everybody(ask: Caller, path: str) -> None:
    assert ask("GET", path, Authorization="").status == 200


def test_it_says_who_it_is(ask: Caller) -> None:
    about = ask("GET", "/v1/about").document
    assert abs(about["time"] - time.time()) < 60
    assert "bulk" in about["capabilities"]


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8765", "169.254.169.254", "[bad", ""])
def test_on_loopback_it_answers_to_names_of_this_machine_alone(ask: Caller, host: str) -> None:
    said = ask("GET", "/v1/runs", Host=host or " ")
    assert (said.status, said.code) == (403, "request.bad-host")


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost.evil.example", "http://[bad"]
)
def test_pages_of_other_sites_may_not_ask(ask: Caller, origin: str) -> None:
    said = ask("GET", "/v1/runs", Origin=origin)
    assert (said.status, said.code) == (403, "request.bad-origin")


def test_its_own_pages_may_ask(ask: Caller) -> None:
    assert (
        ask("GET", "/v1/runs", Host=f"localhost:{ask.port}", Origin=f"http://localhost:{ask.port}").status
        == 200
    )


def test_what_is_not_there_is_not_found(ask: Caller) -> None:
    for path in (
        "/",
        "/v1",
        "/v1/nothing",
        "/v1/runs/",
        "/v1/runs/a/b",
        "/v1/objects/sha256:abc",
        "/v1/runs/a%2Fb",
    ):
        assert (ask("GET", path).status, ask("GET", path).code) == (404, "request.no-path"), path
    assert ask("GET", "/v1/runs/nothing").code == "run.unknown"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PATCH", "/v1/runs", "GET, POST"),
        ("POST", "/healthz", "GET"),
        ("GET", "/v1/objects", "PUT"),
        ("DELETE", "/v1/objects/fetch", "POST"),
        ("PUT", "/v1/runs/a", "DELETE, GET"),
        ("HEAD", "/v1/nodes", "GET"),
    ],
)
def test_another_method_is_told_which_there_are(ask: Caller, method: str, path: str, allowed: str) -> None:
    said = ask(method, path)
    assert (said.status, said.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'{"name": 3}', b"\xff\xfe", b"[" * 100_000, b'{"name": ' + b"[" * 100_000, b'{"name":"\\ud800"}'],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(ask: Caller, body: bytes) -> None:
    said = ask("POST", "/v1/node/hello", body)
    assert (said.status, said.code) == (400, "request.malformed")


@pytest.mark.parametrize("query", ["after=x", "after=-1", "after=1e300", "wait=nan", "wait=601", "wait="])
def test_a_query_of_wrong_numbers_is_refused(ask: Caller, query: str) -> None:
    said = ask("GET", f"/v1/runs/nothing/events?{query}")
    assert (said.status, said.code) == (400, "request.bad-number")


def test_a_long_request_is_refused_before_it_comes(ask: Caller) -> None:
    with ask.begun("POST", "/v1/node/hello", length=1 << 40) as connection:
        assert connection.recv(64).startswith(b"HTTP/1.1 413")


def test_a_request_of_unknown_length_is_cut_off_when_it_is_too_long(ask: Caller) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", ask.port, timeout=30)
    token = {"Authorization": f"Bearer {ask.process.address.token}"}
    pieces = (b" " * 65536 for _ in range(17))  # a megabyte, and one more
    connection.request("POST", "/v1/node/hello", pieces, token, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


def test_a_connection_serves_again_after_a_refusal(ask: Caller) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", ask.port, timeout=30)
    token = {"Authorization": f"Bearer {ask.process.address.token}"}
    for path, status in (("/v1/nothing", 404), ("/v1/nodes", 200), ("/v1/runs/x", 404), ("/v1/nodes", 200)):
        connection.request("GET", path, headers=token)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status
    connection.close()


def test_names_are_decoded_once(ask: Caller) -> None:
    assert "'a%20b'" in ask("GET", "/v1/federations/a%2520b").document["message"]


def test_a_waiting_poll_is_answered_as_soon_as_there_is_something(ask: Caller) -> None:
    session = ask.hello("waiting")
    poll = {"name": "waiting", "session": session, "wait": 60}
    answered: list[int] = []
    thread = threading.Thread(target=lambda: answered.append(ask("POST", "/v1/node/poll", poll).status))
    thread.start()
    while not answered:  # another poll of the same node ends the one that waits
        assert ask("POST", "/v1/node/poll", {**poll, "wait": 0}).status == 200
        thread.join(0.1)
    assert answered == [200]


def test_a_node_whose_connection_breaks_is_away_in_seconds(ask: Caller) -> None:
    session = ask.hello("fragile")
    body = f'{{"name":"fragile","session":{session},"wait":60}}'.encode()
    with ask.begun("POST", "/v1/node/poll", length=len(body), begin=body):
        assert _status(ask, "fragile") == "here"
    began = time.monotonic()
    while _status(ask, "fragile") == "here":
        assert time.monotonic() - began < 10
        select.select([], [], [], 0.1)


def test_it_counts(ask: Caller) -> None:
    ask("GET", "/v1/nodes")
    said = ask("GET", "/metrics")
    assert said.headers["content-type"].startswith("text/plain")
    lines = dict(line.rsplit(" ", 1) for line in said.body.decode().splitlines() if not line.startswith("#"))
    assert float(lines['atoll_requests_total{method="GET",route="/v1/nodes",status="200"}']) >= 1
    assert float(lines["process_resident_memory_bytes"]) > 1 << 20
    assert float(lines["atoll_runs_live"]) == 0
    assert not any("sha256" in name for name in lines)


def test_the_token_and_the_address_are_for_its_owner(ask: Caller) -> None:
    home: Path = ask.process.home
    assert {path: path.stat().st_mode & 0o777 for path in (home / "token", home / "address")} == {
        home / "token": 0o600,
        home / "address": 0o600,
    }
    assert home.stat().st_mode & 0o777 == 0o700


def _status(ask: Caller, name: str) -> str:
    nodes = ask("GET", "/v1/nodes").document.get("nodes", [])
    return str(next(n["status"] for n in nodes if n["name"] == name))
