"""Payloads: what a task and a reply carry, a few named values: arrays, or plain data.

Doesn't know who sends them. One encoding serves files, shared memory and messages: a safetensors file whose
arrays are named `<payload name>/<array name>`, and one array of bytes, `@plain`, with the rest as MessagePack.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import msgspec
import numpy as np

from atoll.values._arrays import Array, Arrays
from atoll.values._errors import ArraysError, AtollError
from atoll.values._metrics import Metrics
from atoll.values._safetensors import from_buffer

Payload: TypeAlias = Mapping[str, Any]

MAX_DEPTH = 16
MAX_PLAIN = 16 << 20  # bytes of plain data in one payload
_PLAIN = "@plain"


class _Rest(msgspec.Struct):
    arrays: list[str]
    plain: dict[str, Any]


def checked(payload: Payload) -> dict[str, Any]:
    """A payload with every name and value found fit to travel; numpy scalars become plain numbers, lists are copied.

    Raises `AtollError` (`payload.bad-name`, `payload.bad-value`, `payload.too-large`).
    """
    found = {_identifier(n): v if type(v) is Arrays else _plain(n, v, 0) for n, v in payload.items()}
    plain = {n: v for n, v in found.items() if type(v) is not Arrays}
    if plain:
        _encoded(plain)
    return found


def odd_number(plain: Any, name: str) -> str:
    """What plain data holds that is no finite number, such as "config.lr is nan"; empty when there is none. JSON has no word for it."""
    if type(plain) is float and not math.isfinite(plain):
        return f"{name} is {plain}"
    inside: Iterable[tuple[str, Any]] = ()
    if type(plain) is dict:
        inside = ((f"{name}.{key}", value) for key, value in plain.items())
    elif type(plain) is list:
        inside = ((f"{name}[{place}]", value) for place, value in enumerate(plain))
    return next(filter(None, (odd_number(value, where) for where, value in inside)), "")


def fresh(value: Any) -> Any:
    """A payload's value, with lists and dicts that whoever gets it may change without anybody else noticing."""
    if type(value) is list:
        return [fresh(v) for v in value]
    if type(value) is dict:
        return {k: fresh(v) for k, v in value.items()}
    return value


def pack(payload: Payload) -> Arrays:
    """A payload as one set of arrays, ready for `parts`, `write_file` or a digest."""
    flat: dict[str, Array] = {}
    rest = _Rest([], {})
    for name, value in payload.items():
        if isinstance(value, Arrays):
            rest.arrays.append(name)
            flat.update((f"{name}/{n}", a) for n, a in value.items())
        else:
            rest.plain[name] = value
    flat[_PLAIN] = np.frombuffer(_encoded(rest), np.uint8)
    return Arrays.trusted(flat)


def unpack(packed: Arrays) -> dict[str, Any]:
    """The payload in one set of arrays, as views of it. Raises `ArraysError` when it is none."""
    try:
        rest = msgspec.msgpack.decode(packed[_PLAIN].data, type=_Rest)
        plain = checked(rest.plain) if rest.plain else {}
    except (KeyError, ValueError, AtollError, msgspec.MsgspecError, RecursionError) as error:
        raise ArraysError("arrays.malformed", f"these arrays are no payload ({error})") from error
    groups: dict[str, dict[str, Array]] = {name: {} for name in rest.arrays}
    for full, array in packed.items():
        group, _, name = full.partition("/")
        if group in groups:
            groups[group][name] = array
    return {**{n: Arrays.trusted(g, owner=packed) for n, g in groups.items()}, **plain}


def unpack_buffer(buffer: Any, *, source: str = "the message") -> dict[str, Any]:
    """The payload in a buffer that holds one whole encoding, as views of it."""
    return unpack(from_buffer(buffer, source=source)[0])


def _encoded(plain: object) -> bytes:
    try:
        body = msgspec.msgpack.encode(plain)
    except (OverflowError, UnicodeEncodeError) as error:
        raise AtollError(
            "payload.bad-value",
            f"this does not travel: {error}",
            "send whole numbers of up to 64 bits, and Unicode text",
        ) from error
    if len(body) > MAX_PLAIN:
        raise AtollError(
            "payload.too-large",
            f"{len(body):,} bytes of plain data, the limit is {MAX_PLAIN:,}",
            "send Arrays",
        )
    return body


def _identifier(name: object) -> str:
    if not isinstance(name, str) or not name.isidentifier() or len(name) > 128 or name == "ctx":
        raise AtollError(
            "payload.bad-name",
            f"a payload can't be named {name!r:.140}: its names become parameters of the handler, beside `ctx`",
            "use a short Python identifier, such as `model`",
        )
    return name


def _plain(name: str, value: Any, depth: int) -> Any:
    if value is None or type(value) in (bool, int, float, str):
        return value
    if depth < MAX_DEPTH:
        if isinstance(value, Metrics):
            return value.plain()
        if isinstance(value, Mapping) and all(isinstance(k, str) for k in value):
            return {k: _plain(name, v, depth + 1) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [_plain(name, v, depth + 1) for v in value]
        if isinstance(value, np.generic):
            return _plain(name, value.item(), depth + 1)
    raise AtollError(
        "payload.bad-value",
        f"`{name}` holds a {type(value).__name__}{' too deep' if depth >= MAX_DEPTH else ''}, which does not travel",
        "send atoll.Arrays, or numbers, texts, lists and dicts with text keys",
    )
