"""A request is admitted when a known key made it, for this coordinator, in this minute, and once; no other is."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from small_door import ANOTHER, COORDINATOR, KEY, NOW, START, STRANGER, Door, Fields, Request

from atoll.identity import IdentityError, Signer, Stale, read_signature

BODY = b'{"free":2}'
MALFORMED = "request.malformed-signature"


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("GET", "/", b""),
        ("GET", "/v1/runs?after=3&name=a%20b", b""),
        ("GET", "/v1/runs?", b""),
        ("POST", "/v1/nodes/poll", BODY),
        ("POST", "/v1/r%C3%A9sum%c3%a9/a%2Fb%25?x", BODY),
        ("DELETE", "/v1/runs/a.b~c-d_e/@1,2;3", b""),
        ("PUT", "/v1/objects", bytes(100_000)),
    ],
)
def test_a_signed_request_is_admitted(door, method, target, body):
    proof = door.admit(door.sign(method, target, body))
    assert (proof.key, proof.id, proof.created) == (KEY.public, KEY.id, int(NOW))


def test_a_body_that_is_not_hashed_is_signed_by_its_length(door):
    request = door.sign("PUT", "/v1/objects/sha256:00", length=5).but(body=b"12345")
    assert door.admit(request).length == 5
    assert "content-digest" not in request.headers


def test_what_is_signed_is_what_rfc_9421_says():
    """Written out by hand, after section 2.5, and checked with nothing of Atoll's."""
    headers = Signer(KEY, COORDINATOR.id, lambda: NOW).headers("POST", "/v1/a?b=c", body=BODY)
    label, _, parameters = headers["signature-input"].partition("=")
    base = (
        '"@method": POST\n'
        '"@path": /v1/a\n'
        '"@query": ?b=c\n'
        f'"atoll-audience": {COORDINATOR.id}\n'
        f'"content-digest": sha-256=:{base64.b64encode(hashlib.sha256(BODY).digest()).decode()}:\n'
        f'"@signature-params": {parameters}'
    )
    assert label == "atoll"
    assert parameters.startswith('("@method" "@path" "@query" "atoll-audience" "content-digest");created=')
    signature = base64.b64decode(headers["signature"].removeprefix("atoll=:").removesuffix(":"))
    Ed25519PublicKey.from_public_bytes(KEY.public.raw).verify(signature, base.encode())


def test_what_another_program_signs_in_another_order_is_admitted(door):
    names = ["content-digest", "@query", "atoll-audience", "@path", "@method"]
    parameters = f"({' '.join(map(chr(34).__add__, (n + chr(34) for n in names)))})"
    parameters += f';tag="atoll";alg="ed25519";keyid="{KEY.id}";nonce="{"n" * 22}";created={int(NOW)}'
    digest = f"sha-256=:{base64.b64encode(hashlib.sha256(BODY).digest()).decode()}:"
    base = (
        f'"content-digest": {digest}\n"@query": ?\n"atoll-audience": {COORDINATOR.id}\n'
        f'"@path": /v1/a\n"@method": POST\n"@signature-params": {parameters}'
    )
    signature = base64.b64encode(KEY.sign(base.encode())).decode()
    headers = {
        "Content-Digest": digest,
        "Atoll-Audience": COORDINATOR.id,
        "Signature-Input": f"atoll={parameters}",
        "Signature": f"atoll=:{signature}:",
    }
    assert door.code(Request("POST", "/v1/a", headers, BODY)) == "admitted"


def test_no_two_signatures_are_alike(door):
    assert door.sign().headers["signature"] != door.sign().headers["signature"]


# -- without a signature ----------------------------------------------------------------------------------------


def test_a_request_without_a_signature_is_told_so(door):
    assert door.code(Request("GET", "/", {})) == "request.no-signature"
    assert door.code(Request("GET", "/", {"authorization": "Bearer x"})) == "request.no-signature"


@pytest.mark.parametrize("name", ["signature", "signature-input", "atoll-audience", "content-digest"])
def test_half_a_signature_is_malformed(door, name):
    assert door.code(door.sign(body=BODY).with_header(name, None)) == MALFORMED


def test_the_length_that_was_signed_must_be_there(door):
    request = door.sign("PUT", "/v1/objects", length=5).with_header("content-length", None)
    assert door.code(request.but(body=b"12345")) == MALFORMED


# -- replay -------------------------------------------------------------------------------------------------------


def test_a_request_that_comes_twice_is_refused(door):
    request = door.sign(body=BODY)
    assert [door.code(request) for _ in range(3)] == ["admitted", "request.replayed", "request.replayed"]


def test_a_replay_with_other_headers_beside_it_is_one(door):
    request = door.sign(body=BODY)
    door.admit(request)
    assert door.code(request.but(more=[("X-Forwarded-For", "10.0.0.1")])) == "request.replayed"


def test_a_replay_with_another_body_is_one(door):
    request = door.sign(body=BODY)
    door.admit(request)
    assert door.code(request.but(body=b"other")) == "request.replayed"


def test_a_request_whose_body_differed_does_not_come_again(door):
    request = door.sign(body=BODY)
    assert door.code(request.but(body=b"other")) == "request.body-differs"
    assert door.code(request) == "request.replayed"


@pytest.mark.parametrize("seconds", [0.5, 30, 59.9, 60, 61, 3600])
def test_a_replay_is_refused_however_late(door, seconds):
    request = door.sign()
    door.admit(request)
    door.clock.time += seconds
    assert door.code(request) in ("request.replayed", "request.stale")


@pytest.mark.parametrize("ahead", [-59, 0, 1, 59, 60])
@pytest.mark.parametrize("restart", [0.0, 0.4, 3.0, 59.0, 61.0])
def test_a_replay_after_the_coordinator_started_again_is_refused(door, ahead, restart):
    door.theirs.time += ahead
    request = door.sign()
    door.admit(request)
    door.clock.time += restart
    door.begin(door.clock.time)
    assert door.code(request) == "request.stale"


def test_a_replay_under_another_method_or_path_has_no_signature(door):
    request = door.sign("GET", "/v1/runs")
    door.admit(request)
    assert door.code(request.but(method="DELETE")) == "request.bad-signature"
    assert door.code(request.but(target="/v1/nodes")) == "request.bad-signature"


def test_a_replay_with_a_nonce_of_its_own_has_no_signature(door):
    request = door.sign()
    nonce = read_signature(Fields(list(request.headers.items()))).nonce
    assert door.code(request.with_edit("signature-input", nonce, "A" * 22)) == "request.bad-signature"


def test_what_was_refused_takes_no_room(door):
    for n in range(20):
        door.code(door.sign(by=STRANGER))
        door.code(door.sign().but(target=f"/{n}"))
        door.code(door.sign(audience=ANOTHER.id))
    assert len(door.nonces) == 0


# -- another body -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"", b"x", BODY + b"\n", BODY[:-1], BODY.upper(), bytes(1_000_000)])
def test_another_body_is_refused(door, body):
    assert door.code(door.sign(body=BODY).but(body=body)) == "request.body-differs"


def test_a_body_where_none_was_signed_is_refused(door):
    assert door.code(door.sign().but(body=BODY)) == "request.body-differs"


def test_an_object_of_another_length_is_refused(door):
    request = door.sign("PUT", "/v1/objects", length=5)
    assert door.code(request.but(body=b"123456")) == "request.body-differs"
    request = door.sign("PUT", "/v1/objects", length=5).with_header("content-length", "6")
    assert door.code(request.but(body=b"123456")) == "request.bad-signature"


def test_an_object_does_not_come_where_none_was_signed(door):
    proof = door.admit(door.sign("PUT", "/v1/objects"))
    with pytest.raises(IdentityError, match="5 bytes"):
        proof.check_length(5)


def _digest(body: bytes, algorithm: str = "sha256") -> str:
    return base64.b64encode(hashlib.new(algorithm, body).digest()).decode()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (f"sha-256=:{_digest(b'other')}:", "request.bad-signature"),
        (f"sha-256=:{_digest(BODY)}:, sha-256=:{_digest(b'other')}:", MALFORMED),
        (f"sha-512=:{_digest(BODY, 'sha512')}:", MALFORMED),
        (f"md5=:{_digest(BODY, 'md5')}:", MALFORMED),
        (f"SHA-256=:{_digest(BODY)}:", MALFORMED),
        (f"sha-256={_digest(BODY)}", MALFORMED),
        (f"sha-256=:{_digest(BODY).replace('=', '')}:", MALFORMED),
        (f"sha-256=:{hashlib.sha256(BODY).hexdigest()}:", MALFORMED),
        (f" sha-256=:{_digest(BODY)}:", MALFORMED),
        ("sha-256=::", MALFORMED),
        ("", MALFORMED),
    ],
)
def test_another_digest_is_refused(door, text, code):
    assert door.code(door.sign(body=BODY).with_header("content-digest", text)) == code


def test_base64_has_one_form(door):
    """The last character of 32 bytes has two bits to spare: with these set, it stands for the same bytes."""
    request = door.sign(body=BODY)
    text = request.headers["content-digest"]
    loose = f"{text[:-3]}{chr(ord(text[-3]) + 1)}=:"
    assert base64.b64decode(loose[9:-1]) == base64.b64decode(text[9:-1])
    assert door.code(request.with_header("content-digest", loose)) == MALFORMED


def test_a_digest_beside_a_signature_that_does_not_cover_it_is_refused(door):
    request = door.sign().with_header("content-digest", f"sha-256=:{_digest(BODY)}:")
    assert door.code(request.but(body=BODY)) == MALFORMED


# -- for somebody else, or by somebody else ---------------------------------------------------------------------------


@pytest.mark.parametrize("audience", [ANOTHER.id, KEY.id, STRANGER.id, "k-" + "a" * 32, "k-" + "7" * 32])
def test_a_request_to_another_coordinator_is_refused(door, audience):
    assert door.code(door.sign(audience=audience)) == "request.wrong-audience"


def test_a_request_that_was_turned_to_this_coordinator_has_no_signature(door):
    request = door.sign(audience=ANOTHER.id).with_header("atoll-audience", COORDINATOR.id)
    assert door.code(request) == "request.bad-signature"


@pytest.mark.parametrize(
    "audience", ["", "*", COORDINATOR.id.upper(), COORDINATOR.id[:-1], f" {COORDINATOR.id}"]
)
def test_an_audience_that_is_no_key_is_malformed(door, audience):
    assert door.code(door.sign().with_header("atoll-audience", audience)) == MALFORMED


def test_a_key_that_nobody_knows_is_told_so(door):
    assert door.code(door.sign(by=STRANGER)) == "identity.unknown-key"


def test_a_known_key_in_a_strangers_request_has_not_signed_it(door):
    request = door.sign(by=STRANGER).with_edit("signature-input", STRANGER.id, KEY.id)
    assert door.code(request) == "request.bad-signature"


def test_an_unknown_key_in_a_known_ones_request_is_unknown(door):
    request = door.sign().with_edit("signature-input", KEY.id, STRANGER.id)
    assert door.code(request) == "identity.unknown-key"


def test_one_key_does_not_speak_for_another(door):
    door.known[STRANGER.id] = STRANGER.public
    request = door.sign().with_edit("signature-input", KEY.id, STRANGER.id)
    assert door.code(request) == "request.bad-signature"


def test_a_key_that_was_revoked_is_unknown_at_the_next_request(door):
    door.admit(door.sign())
    del door.known[KEY.id]
    assert door.code(door.sign()) == "identity.unknown-key"


def test_a_key_that_nobody_knows_costs_as_much_as_one_that_is_known(door, monkeypatch):
    """Both make one verification; what is compared is the work, for clocks are not to be trusted in a test."""
    import atoll.identity._keys as keys

    asked: list[int] = []

    class Counting(Ed25519PublicKey):  # type: ignore[misc]
        @classmethod
        def from_public_bytes(cls, data: bytes) -> Ed25519PublicKey:
            asked.append(len(data))
            return Ed25519PublicKey.from_public_bytes(data)

    requests = [door.sign(), door.sign(by=STRANGER), door.sign().but(target="/other")]
    monkeypatch.setattr(keys, "Ed25519PublicKey", Counting)
    work = []
    for request in requests:
        asked.clear()
        door.code(request)
        work.append(list(asked))
    assert work == [[32], [32], [32]]


# -- too late, or too early -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ahead", [-1e9, -3600, -61, 61, 3600, 1e9, 1e10 - NOW])
def test_a_request_of_another_time_is_stale(door, ahead):
    door.theirs.time += ahead
    request = door.sign()
    with pytest.raises(Stale) as caught:
        door.admit(request)
    assert caught.value.code == "request.stale"
    assert caught.value.time == NOW


@pytest.mark.parametrize("ahead", [-60, -59, 0, 59, 60])
def test_a_request_of_this_minute_is_not_stale(door, ahead):
    door.theirs.time += ahead
    assert door.code(door.sign()) == "admitted"


@pytest.mark.parametrize("ahead", [-86_000, -61, 61, 86_000])
def test_a_client_that_learns_the_time_is_admitted(door, ahead):
    door.theirs.time += ahead
    with pytest.raises(Stale) as caught:
        door.admit(door.sign())
    door.signer.learn(caught.value.time)
    assert door.code(door.sign()) == "admitted"


@pytest.mark.parametrize("passed", [0.0, 0.001, 0.5, 0.999, 1.0, 30.0, 59.9, 60.0, 62.0, 100.0])
@pytest.mark.parametrize("begun", [NOW, NOW + 0.25, NOW + 0.999])
def test_after_a_start_a_client_is_admitted_at_its_second_attempt(door, begun, passed):
    door.begin(begun)
    door.clock.time = door.theirs.time = begun + passed
    if door.code(door.sign()) != "admitted":
        with pytest.raises(Stale) as caught:
            door.admit(door.sign())
        door.signer.learn(caught.value.time)
        door.clock.time += 0.1
        door.theirs.time += 0.1
        assert door.code(door.sign()) == "admitted"


@pytest.mark.parametrize("time", [NOW + 1e8, NOW - 1e8, NOW + 86_500, 0.0, float("nan"), float("inf")])
def test_nobody_on_the_way_has_requests_signed_that_are_good_much_later(door, time):
    with pytest.raises(IdentityError) as caught:
        door.signer.learn(time)
    assert caught.value.code == "request.wrong-clock"
    assert door.code(door.sign()) == "admitted"


def test_a_stale_request_does_not_become_fresh_by_its_header(door):
    door.theirs.time -= 3600
    request = door.sign().with_edit("signature-input", f"created={int(NOW - 3600)}", f"created={int(NOW)}")
    assert door.code(request) == "request.bad-signature"


def test_what_is_more_than_can_be_remembered_is_refused(door):
    door.begin(START, per_key=5)
    assert [door.code(door.sign()) for _ in range(6)] == ["admitted"] * 5 + ["request.too-many"]
