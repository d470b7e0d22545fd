"""A request is admitted when a known key made it, for this coordinator, in this minute, and once; no other is."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st
from small_door import ANOTHER, COORDINATOR, KEY, NOW, START, STRANGER, Door, Fields, Request

from atoll.identity import IdentityError
from atoll.identity._presented import read_signature
from atoll.identity._requests import Signer, Stale

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


# -- cut off, and made long -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["signature", "signature-input", "content-digest", "atoll-audience"])
def test_a_header_that_is_cut_off_anywhere_is_refused(door, name):
    request = door.sign(body=BODY)
    value = request.headers[name]
    codes = {door.code(request.with_header(name, value[:at])) for at in range(len(value))}
    assert codes <= {MALFORMED, "request.no-signature"}


@pytest.mark.parametrize("name", ["signature", "signature-input", "content-digest", "atoll-audience"])
@pytest.mark.parametrize("filling", ["A", '"@method" ', ";created=1", "(", " ", "é"])
def test_a_huge_header_is_refused_at_once(door, name, filling):
    request = door.sign(body=BODY)
    assert door.code(request.with_header(name, filling * 1_000_000)) == MALFORMED
    assert door.code(request.with_header(name, request.headers[name] + filling * 100_000)) == MALFORMED


def test_a_huge_length_is_refused(door):
    request = door.sign("PUT", "/v1/objects", length=5)
    assert door.code(request.with_header("content-length", "9" * 10_000)) == MALFORMED


@pytest.mark.parametrize("name", ["signature", "signature-input", "content-digest", "atoll-audience"])
def test_a_header_that_stands_twice_is_refused(door, name):
    request = door.sign(body=BODY)
    assert door.code(request.but(more=[(name.title(), request.headers[name])])) == MALFORMED
    assert door.code(request.but(more=[(name, "")])) == MALFORMED


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"@method" ', ""),
        ('"@path" ', ""),
        ('"@query" ', ""),
        (' "atoll-audience"', ""),
        ('"@method" ', '"@method" "@method" '),
        ('"@method"', '"@authority"'),
        ('"@path"', '"@path";req'),
        ('"content-digest"', '"content-type"'),
        ('"content-digest"', '"content-digest" "content-length"'),
        ('"@method" ', '"@method"  '),
        (";created=", ";created=0"),
        (";created=", ";created=-"),
        (";created=", ";created=1."),
        (";created=", ";expires=1;created="),
        (';tag="atoll"', ""),
        (';tag="atoll"', ';tag="other"'),
        (';tag="atoll"', ';tag="atoll";tag="atoll"'),
        (';tag="atoll"', ';tag="atoll";alg="rsa-v1_5-sha256"'),
        (';tag="atoll"', ';tag="atoll";'),
        (";nonce=", "; nonce="),
        (";nonce=", ";n0nce="),
        ('keyid="k-', 'keyid="k-k-'),
        ('keyid="k-', 'keyid="K-'),
        ("atoll=", "atoll2="),
        ("atoll=", 'other=();created=1, atoll='),
    ],
)  # fmt: skip
def test_a_signature_that_says_too_much_or_too_little_is_malformed(door, old, new):
    assert door.code(door.sign(body=BODY).with_edit("signature-input", old, new)) == MALFORMED


def test_a_signature_of_zeros_is_bad(door):
    zeros = f"atoll=:{base64.b64encode(bytes(64)).decode()}:"
    assert door.code(door.sign().with_header("signature", zeros)) == "request.bad-signature"


# -- unicode tricks -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "trick", ["\u0430toll", "atoll\u200b", "\uff41toll", "\u202eatoll", "atoll\n", "atoll\x00"]
)
@pytest.mark.parametrize("name", ["signature", "signature-input"])
def test_a_label_that_looks_like_ours_is_not_ours(door, name, trick):
    assert door.code(door.sign().with_edit(name, "atoll", trick)) == MALFORMED


@pytest.mark.parametrize("digit", ["\u0661", "\uff11", "\u00b9", "\U0001d7cf", "1_0"])
def test_digits_of_other_scripts_are_no_digits(door, digit):
    assert door.code(door.sign().with_edit("signature-input", "created=1", f"created={digit}")) == MALFORMED
    request = door.sign("PUT", "/v1/objects", length=1)
    assert door.code(request.with_header("content-length", digit)) == MALFORMED


@pytest.mark.parametrize(
    ("signed", "asked"),
    [
        ("/v1/caf%C3%A9", "/v1/cafe%CC%81"),
        ("/v1/a", "/v1/%D0%B0"),
        ("/v1/a", "/v1/a%00"),
        ("/v1/a", "/v1/a%0a"),
        ("/v1/a", "/v1/a%E2%80%8B"),
        ("/v1/K", "/v1/%E2%84%AA"),
        ("/v1/a", "/v1/A"),
        ("/v1/a", "/v1/a/"),
        ("/v1/a", "/v1//a"),
        ("/v1/a", "/v1/b/../a"),
        ("/v1/a", "/v1/a?"[:-1] + "%3F"),
        ("/v1/a%2541", "/v1/a%41"),
    ],
)
def test_a_path_that_looks_alike_is_another(door, signed, asked):
    assert door.code(door.sign(target=signed).but(target=asked)) == "request.bad-signature"


@pytest.mark.parametrize("asked", ["/v1/a%62", "/v1/%61b", "/%761/ab"])
def test_a_way_that_writes_the_same_path_otherwise_changes_nothing(door, asked):
    assert door.code(door.sign(target="/v1/ab").but(target=asked)) == "admitted"


@pytest.mark.parametrize("query", ["x=1&x=2", "x=2", "", "x=1&", "x=%31", "X=1", "x=1#"])
def test_another_query_is_refused(door, query):
    assert door.code(door.sign(target="/v1/a?x=1").but(target=f"/v1/a?{query}")) == "request.bad-signature"


@pytest.mark.parametrize("query", ["x=é", "x=1\n", 'a\n"@path": /v1/b', "x y", "\x7f", "\u2028"])
def test_a_query_that_does_not_travel_is_refused_on_both_sides(door, query):
    assert door.code(door.sign(target="/v1/a").but(target=f"/v1/a?{query}")) == MALFORMED
    with pytest.raises(IdentityError, match="don't travel"):
        door.sign(target=f"/v1/a?{query}")


@pytest.mark.parametrize("method", ["post", "POST ", "PO\nST", "\u03a1OST", "", "P" * 1_000])
def test_a_method_that_looks_alike_is_refused(door, method):
    assert door.code(door.sign().but(method=method)) == MALFORMED


def test_a_path_that_is_no_text_is_refused(door):
    with pytest.raises(IdentityError, match="UTF-8"):
        door.sign(target="/v1/%ff")
    with pytest.raises(IdentityError, match="begins with"):
        door.sign(target="v1")
    presented = read_signature(Fields(list(door.sign().headers.items())))
    with pytest.raises(IdentityError, match="no text"):
        door.verifier.check(presented, "POST", "/v1/\ud800")


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


@pytest.mark.parametrize("ahead", [-1e8, -61, 61, 1e8])
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


def test_a_stale_request_does_not_become_fresh_by_its_header(door):
    door.theirs.time -= 3600
    request = door.sign().with_edit("signature-input", f"created={int(NOW - 3600)}", f"created={int(NOW)}")
    assert door.code(request) == "request.bad-signature"


def test_what_is_more_than_can_be_remembered_is_refused(door):
    door.begin(START, per_key=5)
    assert [door.code(door.sign()) for _ in range(6)] == ["admitted"] * 5 + ["request.too-many"]


# -- whatever comes ---------------------------------------------------------------------------------------------------

NAMES = ["signature", "signature-input", "content-digest", "atoll-audience", "content-length"]


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(NAMES), st.text(max_size=600))))
def test_whatever_stands_in_the_headers_nobody_is_admitted(pairs):
    with pytest.raises(IdentityError) as caught:
        read_signature(Fields(pairs))
    assert caught.value.code in (MALFORMED, "request.no-signature")


_pieces = st.sampled_from(
    ['"@method"', '"@path"', '"@query"', '"atoll-audience"', '"content-digest"', "(", ")", " ", ";", "=", ",",
     "created", "nonce", "keyid", "tag", '"atoll"', "1700000000", f'"{KEY.id}"', '"' + "n" * 22 + '"', "atoll="]
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(_pieces, max_size=40).map("".join))
def test_pieces_of_a_signature_are_none(text):
    headers = Door().sign().headers
    with pytest.raises(IdentityError) as caught:
        read_signature(Fields([*{**headers, "signature-input": text}.items()]))
    assert caught.value.code == MALFORMED


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(NAMES[:4]), st.integers(0, 400), st.characters(max_codepoint=0x2FF))
def test_one_other_character_anywhere_is_refused(name, at, other):
    door = Door()
    request = door.sign(body=BODY)
    value = request.headers[name]
    at %= len(value)
    changed = f"{value[:at]}{other}{value[at + 1 :]}"
    if changed != value:
        assert door.code(request.with_header(name, changed)) != "admitted"


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=30), st.text(st.characters(codec="utf-8"), max_size=30))
def test_a_path_is_admitted_as_itself_alone(signed, asked):
    from urllib.parse import quote

    door = Door()
    request = door.sign("GET", "/" + quote(signed, safe=""))
    assert door.code(request.but(target="/" + quote(asked, safe=""))) == (
        "admitted" if signed == asked else "request.bad-signature"
    )
