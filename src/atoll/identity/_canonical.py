"""Canonical JSON: one value, one string of bytes, so that what was signed can be written again and is the same.

Doesn't know what is signed. The form: UTF-8, keys sorted by code point and once each, no spaces, whole numbers of 64 bits, floats
in their shortest form. Control characters, and those that turn the direction of what is shown, stand as `\\uXXXX`, so
that a line can be printed as it is.
"""

from __future__ import annotations

import json
import re
from typing import Any

from atoll.identity._errors import IdentityError

DEPTH = 32
MOST = 1 << 20
_LEAST, _GREATEST = -(1 << 63), (1 << 63) - 1
_UNSHOWN = re.compile(
    "[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)  # JSON escapes those below 0x20
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


def canonical(value: Any, *, depth: int = DEPTH) -> bytes:
    """The bytes of a value: None, truth values, numbers, strings, lists and mappings with strings as keys.

    Raises `IdentityError` (`identity.not-canonical`) for anything else: what is no number, too large or too deep.
    """
    _check(value, depth)
    return canonical_of_plain(value)


def canonical_of_plain(value: Any) -> bytes:
    """As `canonical`, of a value that is known to have a canonical form but for its strings."""
    text = _encode(value)
    try:
        return (text if text.isascii() and "\x7f" not in text else _UNSHOWN.sub(_escaped, text)).encode()
    except UnicodeEncodeError:
        raise _not_canonical("a string is no Unicode text") from None


def read(data: bytes, *, most: int = MOST, depth: int = DEPTH) -> Any:
    """The value of canonical bytes, of which there are at most `most`.

    Raises `IdentityError`: `identity.too-large`, or `identity.not-canonical` for every other form of the same value, a key
    that stands twice and whatever isn't JSON.
    """
    if len(data) > most:
        raise IdentityError(
            "identity.too-large", f"{len(data):,} bytes came; at most {most:,} may", "send less"
        )
    try:
        value = json.loads(data.decode(), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:  # a UnicodeDecodeError is a ValueError
        raise _not_canonical(f"it is no JSON ({type(error).__name__})") from None
    if canonical(value, depth=depth) != data:
        raise _not_canonical("the same value has another form: keys sorted and once each, no spaces")
    return value


def _check(value: Any, depth: int) -> None:
    if value is None or isinstance(value, (bool, str)):
        return
    if isinstance(value, int):
        if not _LEAST <= value <= _GREATEST:
            raise _not_canonical("a whole number has more than 64 bits")
    elif isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise _not_canonical(f"{value} is no number")
    else:
        _check_inside(value, depth)


def _check_inside(value: Any, depth: int) -> None:
    if not isinstance(value, (dict, list, tuple)):
        raise _not_canonical(f"JSON has no {type(value).__name__}")
    if depth < 1:
        raise _not_canonical("it is too deep")
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise _not_canonical("a key is no string")
        value = value.values()
    for one in value:
        _check(one, depth - 1)


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _no_number(name: str) -> Any:
    raise ValueError(name)


def _not_canonical(why: str) -> IdentityError:
    return IdentityError(
        "identity.not-canonical",
        f"this is not canonical JSON: {why}",
        "write it with atoll.identity.canonical",
    )
