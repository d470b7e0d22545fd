"""The gate: who comes in to a coordinator that knows people by their keys, through its real door."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from identified_world import HEART, Town, key

from atoll.store import digest_bytes
from atoll.wire import FederationList, Refused, push

RUNS = "/v1/runs"


def test_whoever_signs_comes_in_and_is_known(town: Town) -> None:
    said = town.ask("ann", "GET", "/v1/me")
    assert (said.status, said.document["id"], said.document["name"]) == (200, key("ann").id, "ann")


def test_a_request_without_a_signature_is_refused(town: Town) -> None:
    said = town.ask("", "GET", RUNS)
    assert (said.status, said.code) == (401, "request.no-signature")
    assert said.headers["www-authenticate"] == "Signature"


@pytest.mark.parametrize("header", ["Bearer x", "Bearer ", "Basic YTpi"])
def test_no_token_lets_anybody_in(town: Town, header: str) -> None:
    assert not (town.home / "token").exists()
    said = town.ask("", "GET", RUNS, headers={"Authorization": header})
    assert (said.status, said.code) == (401, "request.no-signature")


@pytest.mark.parametrize("path", ["/healthz", "/openapi.json", "/v1/about", "/v1/ca"])
def test_some_paths_are_open_to_whoever_comes(town: Town, path: str) -> None:
    assert town.ask("", "GET", path).status == 200


def test_about_tells_for_whom_requests_have_to_be_signed(town: Town) -> None:
    assert town.ask("", "GET", "/v1/about").document["audience"] == town.audience


def test_a_key_that_nobody_has_is_refused(town: Town) -> None:
    said = town.ask("stranger", "GET", RUNS)
    assert (said.status, said.code) == (401, "identity.unknown-key")


# -- the same again, or later ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path", "body"), [
    ("GET", "/v1/me", None), ("GET", "/v1/runs?federation=heart", None), ("GET", "/v1/federations", None),
    ("POST", "/v1/objects/lack", {"federation": HEART, "objects": {}}), ("POST", "/v1/me/renew", None),
])  # fmt: skip
def test_a_request_that_comes_again_is_refused(town: Town, method: str, path: str, body: Any) -> None:
    content = json.dumps(body).encode() if body else b""
    headers = town.signed("ann", method, path, content)
    assert town.send(method, path, content, headers).status == 200
    again = town.send(method, path, content, headers)
    assert (again.status, again.code) == (401, "request.replayed")


@pytest.mark.parametrize("seconds", [-3600, -120, -62, 63, 120, 86_400 * 365])
def test_a_request_of_another_time_is_refused_with_the_time(town: Town, seconds: float) -> None:
    said = town.ask("ann", "GET", "/v1/me", now=lambda: time.time() + seconds)
    assert (said.status, said.code) == (401, "request.stale")
    assert abs(said.document["time"] - time.time()) < 5


@pytest.mark.parametrize("seconds", [-3600.0, 3600.0])
def test_a_client_whose_clock_is_off_learns_the_time_and_goes_on(own: Town, seconds: float) -> None:
    own.ahead = seconds
    with contextlib.closing(own.client("ann")) as client:
        for _ in range(3):
            assert client.call("GET", "/v1/federations", None, FederationList).federations
        content = f"of a clock that is off by {seconds}".encode()
        push(client, HEART, {digest_bytes(content): content})


def test_a_coordinator_that_has_just_begun_takes_what_clients_sign_anew(tmp_path: Path) -> None:
    """It can't know what the one before it has taken: clients go a minute ahead, and nobody has to wait."""
    town = Town(tmp_path)
    with town.open():
        town.settle()
    town.begun = time.time()
    with town.open():
        old = town.ask("ann", "GET", "/v1/me")
        assert (old.status, old.code) == (401, "request.stale")
        with contextlib.closing(town.client("ann")) as client:
            begun = time.monotonic()
            assert client.call("GET", "/v1/federations", None, FederationList).federations
            assert time.monotonic() - begun < 5


def test_a_client_that_stays_wrong_is_refused_and_does_not_ask_for_ever(town: Town) -> None:
    with contextlib.closing(town.client("ann")) as client:
        assert client._signer is not None
        client._signer.learn = lambda time: None  # type: ignore[method-assign]
        client._signer._ahead = 10_000.0
        with pytest.raises(Refused) as refused:
            client.call("GET", "/v1/federations", None, FederationList)
    assert refused.value.code == "request.stale"


# -- another body, another place -----------------------------------------------------------------------------------------

LACK = json.dumps({"federation": HEART, "objects": {}}).encode()


@pytest.mark.parametrize("body", [
    LACK.replace(b"heart", b"lung!"), LACK + b" ", b"", b"{}", LACK[:-1] + b"\x00}",
])  # fmt: skip
def test_another_body_than_was_signed_is_refused(town: Town, body: bytes) -> None:
    headers = town.signed("ann", "POST", "/v1/objects/lack", LACK)
    said = town.send("POST", "/v1/objects/lack", body, headers)
    assert (said.status, said.code) == (401, "request.body-differs")


def test_a_body_without_a_signature_is_refused(town: Town) -> None:
    said = town.send("POST", "/v1/objects/lack", LACK, town.signed("ann", "POST", "/v1/objects/lack"))
    assert (said.status, said.code) == (401, "request.body-differs")


def test_objects_are_covered_by_their_length_and_by_their_digests(town: Town) -> None:
    path, whole = f"/v1/objects?federation={HEART}", b"x" * 100
    said = town.send("PUT", path, whole, town.signed("ann", "PUT", path, length=99))
    assert (said.status, said.code) in ((401, "request.body-differs"), (401, "request.bad-signature"))
    said = town.send("PUT", path, whole, town.signed("ann", "PUT", path))
    assert (said.status, said.code) == (401, "request.body-differs")


@pytest.mark.parametrize(("method", "path"), [
    ("DELETE", "/v1/me"), ("GET", "/v1/me?x=1"), ("GET", "/v1/federations"), ("POST", "/v1/me"), ("GET", "/v1/runs/me"),
])  # fmt: skip
def test_a_signature_is_for_one_method_and_one_path(town: Town, method: str, path: str) -> None:
    said = town.send(method, path, b"", town.signed("ann", "GET", "/v1/me"))
    assert said.status in (401, 404, 405)
    assert said.code in (
        "request.bad-signature",
        "request.no-path",
        "request.bad-method",
    )


@pytest.mark.parametrize("path", [
    "/v1/../v1/me", "/v1/%6de", "/v1//me", "/v1/me/", "/v1/runs/%2e%2e/me", "/v1/federations/heart%2froster",
])  # fmt: skip
def test_a_path_that_is_written_in_another_way_leads_nowhere_else(town: Town, path: str) -> None:
    """What the server understands is what has to be signed; and what may be asked of it is the same as in plain writing."""
    plain = town.ask("west", "GET", unquote(path))
    asked = town.ask("west", "GET", path)
    assert (asked.status, asked.code) == (plain.status, plain.code)
    moved = town.send("GET", path, b"", town.signed("west", "GET", "/v1/runs"))
    assert moved.status in (401, 403, 404)


@pytest.mark.parametrize(
    "audience", ["k-" + "a" * 32, key("ann").id, key("rival").id, key("beside").id, "k-" + "2" * 32]
)
def test_a_request_to_another_coordinator_is_no_good_here(town: Town, audience: str) -> None:
    said = town.ask("ann", "GET", "/v1/me", audience=audience)
    assert (said.status, said.code) == (401, "request.wrong-audience")


# -- another's name ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("other", ["bob", "alma", "chief", "olga", "beside"])
def test_nobody_passes_for_somebody_else(town: Town, other: str) -> None:
    headers = town.signed("ann", "GET", "/v1/me")
    swapped = headers["signature-input"].replace(key("ann").id, key(other).id)
    said = town.send("GET", "/v1/me", b"", {**headers, "signature-input": swapped})
    assert (said.status, said.code) == (401, "request.bad-signature")


def test_the_signature_of_another_request_does_not_fit(town: Town) -> None:
    one, other = (town.signed("ann", "GET", "/v1/me") for _ in range(2))
    said = town.send("GET", "/v1/me", b"", {**one, "signature": other["signature"]})
    assert (said.status, said.code) == (401, "request.bad-signature")


# -- cut off, too much, nonsense ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["signature", "signature-input", "atoll-audience"])
@pytest.mark.parametrize("keep", [0.25, 0.5, 0.9])
def test_a_header_that_is_cut_off_is_refused(town: Town, name: str, keep: float) -> None:
    headers = town.signed("ann", "GET", "/v1/me")
    cut = headers[name][: int(len(headers[name]) * keep)]
    assert town.send("GET", "/v1/me", b"", {**headers, name: cut}).status in (400, 401)


@pytest.mark.parametrize("name", ["signature", "signature-input", "atoll-audience", "content-digest"])
def test_a_header_that_is_missing_is_refused(town: Town, name: str) -> None:
    headers = town.signed("ann", "POST", "/v1/objects/lack", LACK)
    del headers[name]
    assert town.send("POST", "/v1/objects/lack", LACK, headers).status in (400, 401)


@pytest.mark.parametrize("value", [
    "x" * 5_000, "x" * 100_000, "atoll=()", 'atoll=("@method");created=1;nonce="0123456789abcdef";keyid="k";tag="atoll"',
    "=" * 300, "atoll=:" + "A" * 86 + "==:, other=:AA==:",
])  # fmt: skip
@pytest.mark.parametrize("name", ["signature", "signature-input", "atoll-audience"])
def test_huge_and_senseless_headers_are_refused(town: Town, name: str, value: str) -> None:
    headers = town.signed("ann", "GET", "/v1/me")
    assert town.send("GET", "/v1/me", b"", {**headers, name: value}).status in (400, 401)


def test_headers_beyond_all_measure_end_the_request_and_not_the_coordinator(town: Town) -> None:
    with contextlib.suppress(OSError, http.client.HTTPException):
        assert town.send("GET", "/v1/me", b"", {"signature": "x" * 4_000_000}).status == 431
    assert town.ask("ann", "GET", "/v1/me").status == 200


def test_a_header_that_stands_twice_is_refused(town: Town) -> None:
    headers = town.signed("ann", "GET", "/v1/me")
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", town.port, timeout=30)) as connection:
        connection.putrequest("GET", "/v1/me")
        for name, value in [*headers.items(), ("signature", headers["signature"])]:
            connection.putheader(name, value)
        connection.endheaders()
        assert connection.getresponse().status == 400


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://127.0.0.1", "null", "https://fl.example.org", "x"]
)
def test_no_page_in_a_browser_may_ask(town: Town, origin: str) -> None:
    said = town.ask("ann", "GET", "/v1/me", headers={"Origin": origin})
    assert (said.status, said.code) == (403, "request.bad-origin")


def test_a_proxy_may_call_the_coordinator_by_any_name(town: Town) -> None:
    for host in ("fl.example.org", "10.0.0.1:443", "xn--e1afmkfd.example"):
        assert town.ask("ann", "GET", "/v1/me", headers={"Host": host}).status == 200
