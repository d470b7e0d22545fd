"""Canonical JSON: one form of each value, and a clear refusal of everything else."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from village import outcome

from atoll.identity import IdentityError, canonical, read

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 63) - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def refusal(data: bytes, **bounds: Any) -> str:
    with pytest.raises(IdentityError) as caught:
        read(data, **bounds)
    return caught.value.code


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


def test_keys_are_sorted_by_code_point_and_nothing_is_between():
    value = {"b": 1, "a": [True, None, 1.5], "é": "ü", "\U00010000": 0, "\uffff": 0}
    assert canonical(value) == '{"a":[true,null,1.5],"b":1,"é":"ü","\uffff":0,"\U00010000":0}'.encode()


@given(VALUES)
def test_what_is_written_is_read_as_the_same_value_in_the_same_form(value: Any):
    data = canonical(value)
    assert read(data) == value
    assert canonical(read(data)) == data


@given(VALUES)
def test_it_is_json_to_everybody_else(value: Any):
    assert json.loads(canonical(value)) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes):
    with outcome() as code:
        assert canonical(read(data)) == data
    assert code in ([], ["identity.not-canonical"])


@given(VALUES, st.data())
def test_a_value_with_a_byte_changed_is_another_value_or_none(value: Any, data: st.DataObject):
    good = bytearray(canonical(value))
    at = data.draw(st.integers(0, len(good) - 1))
    good[at] ^= data.draw(st.integers(1, 255))
    with outcome() as code:
        assert canonical(read(bytes(good))) == good != canonical(value)
    assert code in ([], ["identity.not-canonical"])


@pytest.mark.parametrize(
    "data",
    [
        b'{"b":1,"a":2}',
        b'{"a": 1}',
        b'{"a":1}\n',
        b'"\\u0041"',
        b'"\\/"',
        b"1.50",
        b"1e2",
        b"-0",
        b"1E400",
        '"\u202e"'.encode(),
        "\ufeff1".encode(),
        '"\x9b31m"'.encode(),
        '{"a":1}'.encode("utf-16"),
    ],
)
def test_another_form_of_a_value_is_refused(data: bytes):
    assert refusal(data) == "identity.not-canonical"


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1,"a":2}',
        b'{"a":1,"a":1}',
        b'{"role":"auditor","role":"administrator"}',
        b'{"a":{"b":1,"b":2}}',
        b'[{"":0,"":0}]',
        b'{"a":1,"\\u0061":1}',
    ],
)
def test_a_key_that_stands_twice_is_refused(data: bytes):
    assert refusal(data) == "identity.not-canonical"


@pytest.mark.parametrize(
    "data", [b"", b"{", b'{"a":', b'"abc', b"[1,", b'{"a":1', b"tru", b"\xc3", b'"\\u00']
)
def test_what_was_cut_off_is_refused(data: bytes):
    assert refusal(data) == "identity.not-canonical"


@pytest.mark.parametrize(
    "data", [nested(33), nested(1_000), nested(400_000), b'{"a":' * 50_000, b"[" * 900_000]
)
def test_deep_json_is_refused(data: bytes):
    assert refusal(data) == "identity.not-canonical"


def test_as_deep_as_is_allowed_is_read():
    assert canonical(read(nested(32))) == nested(32)
    assert refusal(nested(5), depth=4) == "identity.not-canonical"


@pytest.mark.parametrize(
    "data", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"9" * 5_000, b"9223372036854775808"]
)
def test_what_is_no_number_is_refused(data: bytes):
    assert refusal(data) == "identity.not-canonical"


def test_more_bytes_than_allowed_are_not_even_looked_at():
    assert refusal(b"[" + b"1," * 600_000 + b"1]") == "identity.too-large"
    assert refusal(b"[1,2]", most=4) == "identity.too-large"


@pytest.mark.parametrize(
    "data", [b'"\\ud800"', b'"\\udfff\\ud800"', b'{"\\ud83d":1}', b'"\xed\xa0\x80"', b'"\xc0\x80"', b'"\xff"']
)
def test_what_is_no_unicode_text_is_refused(data: bytes):
    assert refusal(data) == "identity.not-canonical"


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, {1: 2}, {1}, b"x", object(), 1 << 64, "\ud800", {"\udc00": 1}]
)
def test_what_json_has_not_is_not_written(value: object):
    with pytest.raises(IdentityError) as caught:
        canonical(value)
    assert caught.value.code == "identity.not-canonical"


@pytest.mark.parametrize(
    "character", ["\x00", "\x1b", "\x7f", "\x9b", "\u202e", "\u2066", "\u2028", "\u200f"]
)
def test_a_character_that_changes_what_a_terminal_shows_is_escaped(character: str):
    assert character not in canonical(f"a{character}b").decode()
    assert read(canonical(character)) == character
