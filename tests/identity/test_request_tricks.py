"""What is cut off, made long or dressed up as a signed request is refused."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_door import KEY, Door, Fields

from atoll.identity import IdentityError, read_signature

BODY = b'{"free":2}'
MALFORMED = "request.malformed-signature"


@pytest.fixture
def door() -> Door:
    return Door()


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
