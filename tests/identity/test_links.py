"""Links: one line that holds all that who is invited needs, and shows nothing secret by accident."""

from __future__ import annotations

import dataclasses
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from village import key, outcome

from atoll.identity import IdentityError, Link, to_base64

AUDIENCE, ROOT = key("coordinator").id, key("root").id
CA = "0123456789abcdef" * 4
LINK = Link(
    host="fl.example.org",
    port=443,
    seed=bytes(range(32)),
    kind="node",
    federation="heart",
    name="hospital-a",
    audience=AUDIENCE,
    root=ROOT,
    ca=CA,
    path="/atoll",
)
HERE = dataclasses.replace(LINK, host="127.0.0.1", port=7700, plain=True, ca="", path="")


def refusal(call: Any, *args: Any, **options: Any) -> str:
    with pytest.raises(IdentityError) as caught:
        call(*args, **options)
    return caught.value.code


def with_sum(text: str) -> str:
    """The text with a sum that fits: what an attacker would write."""
    from atoll.identity._links import _sum

    body = text[: text.rindex(".") + 1]
    return body + _sum(body)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"ca": ""},
        {"path": ""},
        {"kind": "user", "name": "someone+x@example.org"},
        {"kind": "host"},
        {"host": "10.0.0.7", "port": 65_535},
        {"host": "[2001:db8::1]"},
        {"host": "localhost", "plain": True},
        {"host": "[::1]", "plain": True},
        {"host": "127.1.2.3", "plain": True},
        {"host": "xn--bcher-kva.example"},
        {"path": "/a/b_c~d/e.f"},
    ],
)
def test_a_link_is_read_again(changes: dict[str, Any]):
    link = dataclasses.replace(LINK, **changes)
    assert Link.read(link.text) == link
    assert Link.read(f"  {link.text}\n") == link


def test_a_link_tells_where_and_who():
    assert LINK.address == "https://fl.example.org:443/atoll"
    assert HERE.address == "http://127.0.0.1:7700"
    assert LINK.token.id == key_of_seed()
    assert HERE.text.startswith("atoll+http://127.0.0.1:7700?kind=node&federation=heart&name=hospital-a#1.")


def key_of_seed() -> str:
    from atoll.identity import Key

    return Key.of_seed(bytes(range(32))).id


def test_whatever_is_secret_stands_behind_the_hash():
    secret = to_base64(LINK.seed)
    before, behind = LINK.text.split("#")
    assert secret in behind
    assert secret not in before
    assert urlsplit(LINK.text).fragment == behind


def test_a_printed_link_shows_no_secret():
    for shown in (repr(LINK), str(LINK), f"{[LINK]}"):
        assert to_base64(LINK.seed) not in shown
        assert repr(LINK.seed) not in shown


@pytest.mark.parametrize(
    "changes",
    [
        {"host": "fl.example.org", "plain": True},
        {"host": "10.0.0.1", "plain": True},
        {"host": "127.0.0.1.example.org", "plain": True},
        {"host": "localhost.example.org", "plain": True},
        {"host": "[2001:db8::1]", "plain": True},
        {"host": "127.1", "plain": True},
    ],
)
def test_without_tls_only_this_machine_is_reached(changes: dict[str, Any]):
    assert refusal(dataclasses.replace, LINK, **changes) == "identity.bad-link"


@pytest.mark.parametrize(
    "changes",
    [
        {"host": ""},
        {"host": "a b"},
        {"host": "user@evil.example"},
        {"host": "evil.example/"},
        {"host": "evil.example#"},
        {"host": "-a.example"},
        {"host": "a..example"},
        {"host": "EXAMPLE.org"},
        {"host": "ex\u0430mple.org"},
        {"host": "example。org"},
        {"host": "300.1.1.1"},
        {"host": "01.2.3.4"},
        {"host": "[::1%25eth0]"},
        {"host": "[0:0::1]"},
        {"host": "a." * 130 + "a"},
        {"port": 0},
        {"port": 65_536},
        {"port": -1},
        {"path": "/.."},
        {"path": "/a/../b"},
        {"path": "//evil.example"},
        {"path": "/a?b"},
        {"path": "/%2e%2e"},
        {"path": "a"},
        {"path": "/a\n"},
        {"kind": "program"},
        {"name": "a&kind=user"},
        {"name": "a#"},
        {"name": "hospit\u0430l"},
        {"federation": "a\n"},
        {"federation": "a%20b"},
        {"audience": "k-short"},
        {"audience": AUDIENCE.removeprefix("k-")},
        {"root": ""},
        {"ca": "00"},
        {"ca": CA.upper()},
        {"seed": bytes(31)},
        {"seed": bytes(33)},
    ],
)
def test_parts_that_make_no_link_are_refused(changes: dict[str, Any]):
    assert refusal(dataclasses.replace, LINK, **changes) == "identity.bad-link"


def test_a_link_that_was_cut_off_anywhere_is_refused():
    for end in range(len(LINK.text)):
        assert refusal(Link.read, LINK.text[:end]) == "identity.bad-link"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("fl.example", "evil.example"),
        ("hospital-a", "hospital-b"),
        ("kind=node", "kind=user"),
        ("heart", "lungs"),
        (AUDIENCE.removeprefix("k-"), ROOT.removeprefix("k-")),
        (CA, ""),
        ("atoll://", "atoll+http://"),
        ("atoll://", "https://"),
        ("atoll://", "ATOLL://"),
        (":443", ""),
        (":443", ":0443"),
        ("#1.", "#2."),
        ("kind=node&federation=heart", "federation=heart&kind=node"),
        ("?kind=node", "?kind=node&kind=user"),
        ("#", "%23"),
    ],
)
def test_a_link_that_was_changed_is_refused(old: str, new: str):
    assert old in LINK.text
    assert refusal(Link.read, LINK.text.replace(old, new, 1)) == "identity.bad-link"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("atoll://", "atoll+http://"),
        ("fl.example.org", "user@fl.example.org"),
        ("/atoll", "/../atoll"),
        (":443", ":99999"),
        (to_base64(LINK.seed), to_base64(LINK.seed)[:-1] + "9"),
        ("hospital-a", "hospital-a&x=1"),
        ("fl.example", "fl\u2024example"),
    ],
)
def test_a_link_that_was_changed_is_refused_though_its_sum_fits(old: str, new: str):
    assert Link.read(with_sum(LINK.text)) == LINK
    assert refusal(Link.read, with_sum(LINK.text.replace(old, new, 1))) == "identity.bad-link"


@pytest.mark.parametrize(
    "text", ["", "#", "atoll://", "a" * 10_000_000, "atoll://" + "a." * 5_000_000, LINK.text * 20, "\ud800"]
)
def test_any_length_of_nonsense_is_refused_at_once(text: str):
    assert refusal(Link.read, text) == "identity.bad-link"


@given(
    st.text(max_size=80)
    | st.from_regex(r"atoll://[a-z.:0-9/]{0,30}\?[a-z=&]{0,30}#1[.a-z0-9]{0,200}", fullmatch=True)
)
def test_any_text_is_refused(text: str):
    with outcome() as code:
        Link.read(text)
    assert code == ["identity.bad-link"]


@given(st.integers(0, len(LINK.text) - 1), st.characters())
def test_a_link_with_a_character_changed_is_refused(at: int, character: str):
    changed = LINK.text[:at] + character + LINK.text[at + 1 :]
    with outcome() as code:
        assert Link.read(changed) == LINK
    assert code == ([] if changed == LINK.text else ["identity.bad-link"])


@given(
    st.binary(min_size=32, max_size=32),
    st.integers(1, 65_535),
    st.from_regex(r"[a-z0-9]{1,9}(\.[a-z]{1,9}){0,3}", fullmatch=True),
)
def test_every_link_comes_back(seed: bytes, port: int, host: str):
    with outcome() as code:
        link = dataclasses.replace(LINK, seed=seed, port=port, host=host)
        assert Link.read(link.text) == link
    assert code == [] or host.isdigit()
