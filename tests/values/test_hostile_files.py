"""Whatever a safetensors file claims, it is checked before anything is allocated, and refused as ArraysError."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll import Arrays
from atoll.values import ArraysError, from_buffer, to_bytes, unpack_buffer

GOOD = to_bytes(
    Arrays(a=np.arange(6, dtype="f4").reshape(2, 3), b=np.int8([1, 2]), c=np.zeros((0, 4)), d=np.float64(1))
)


def file_of(header: object, body: bytes = b"", *, length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + body


def entry(dtype: Any = "U8", shape: Any = (4,), offsets: Any = (0, 4)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def refusal(data: bytes) -> ArraysError:
    with pytest.raises(ArraysError) as refused:
        from_buffer(data)
    return refused.value


HOSTILE = {
    "nothing": b"",
    "less than a length": b"\1\0\0",
    "a length and no header": (2).to_bytes(8, "little"),
    "a header longer than the file": file_of(b"{}", length=1000),
    "a header of exabytes": file_of(b"{}", length=(1 << 64) - 1),
    "a header just over the limit": file_of(b"{}", length=100_000_001),
    "no JSON": file_of(b"not json"),
    "a list": file_of([]),
    "bad UTF-8 in a name": file_of(b'{"\xff\xfe":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'),
    "bad UTF-8 in a dtype": file_of(b'{"a":{"dtype":"\xff","shape":[0],"data_offsets":[0,0]}}'),
    "deep JSON": file_of(b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}"),
    "deep JSON in an entry": file_of(b'{"a":{"x":' + b'{"x":' * 100_000 + b"1" + b"}" * 100_000 + b"}}"),
    "an unknown dtype": file_of({"a": entry("F128")}, bytes(4)),
    "a dtype that is a number": file_of({"a": entry(8)}, bytes(4)),
    "a shape that is a number": file_of(b'{"a":{"dtype":"U8","shape":4,"data_offsets":[0,4]}}', bytes(4)),
    "a fraction in a shape": file_of({"a": entry(shape=(4.5,))}, bytes(4)),
    "a negative extent": file_of({"a": entry(shape=(-4,))}, bytes(4)),
    "two negative extents": file_of({"a": entry(shape=(-2, -2))}, bytes(4)),
    "too many dimensions": file_of({"a": entry(shape=(1,) * 33, offsets=(0, 1))}, bytes(1)),
    "an extent beyond 64 bits": file_of({"a": entry(shape=(1 << 70,))}, bytes(4)),
    "an extent of 10,000 digits": file_of(b'{"a":{"dtype":"U8","shape":[1%s],"data_offsets":[0,4]}}' % (b"0" * 10_000), bytes(4)),
    "an empty array of endless extents": file_of({"a": entry(shape=(0, 1 << 62, 1 << 62), offsets=(0, 0))}),
    "an empty array of one endless extent": file_of({"a": entry(shape=(0, 1 << 70), offsets=(0, 0))}),
    "a wrapped size": file_of({"a": entry("F32", (1 << 32, 1 << 30), (0, 0))}),
    "another size than its shape": file_of({"a": entry(shape=(3,))}, bytes(4)),
    "negative offsets": file_of({"a": entry(offsets=(-4, 0))}, bytes(4)),
    "reversed offsets": file_of({"a": entry(offsets=(4, 0))}, bytes(4)),
    "three offsets": file_of({"a": entry(offsets=(0, 4, 8))}, bytes(4)),
    "no offsets": file_of({"a": {"dtype": "U8", "shape": [4]}}, bytes(4)),
    "overlapping arrays": file_of({"a": entry(), "b": entry(offsets=(2, 6))}, bytes(6)),
    "the same place twice": file_of({"a": entry(), "b": entry()}, bytes(4)),
    "a hole": file_of({"a": entry(), "b": entry(offsets=(8, 12))}, bytes(12)),
    "bytes before the first": file_of({"a": entry(offsets=(4, 8))}, bytes(8)),
    "bytes after the last": file_of({"a": entry()}, bytes(5)),
    "a byte too few": file_of({"a": entry()}, bytes(3)),
    "a name twice": file_of(b'{"a":%s,"a":%s}' % ((json.dumps(entry()).encode(),) * 2), bytes(4)),
    "metadata that are no texts": file_of({"__metadata__": {"a": 1}, "a": entry()}, bytes(4)),
    "metadata that are a list": file_of({"__metadata__": [], "a": entry()}, bytes(4)),
}  # fmt: skip


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_file_is_refused(data: bytes, tmp_path: Path) -> None:
    assert refusal(data).code in ("arrays.malformed", "arrays.too-large")
    (tmp_path / "hostile.safetensors").write_bytes(data)
    with pytest.raises(ArraysError, match=r"hostile\.safetensors"):
        Arrays.load(tmp_path / "hostile.safetensors")


@pytest.mark.parametrize("claim", [1 << 30, 1 << 40, (1 << 63) - 1])
def test_nothing_is_allocated_for_what_is_only_claimed(claim: int) -> None:
    claims = [
        file_of(b"{}", length=claim),
        file_of({"a": entry(shape=(claim,), offsets=(0, claim))}, bytes(16)),
        file_of({"a": entry(shape=(claim, 0), offsets=(0, 0))}, bytes(16)),
    ]
    tracemalloc.start()
    for data in claims:
        refusal(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


@given(st.integers(0, len(GOOD) - 1))
def test_a_truncated_file_is_refused_wherever_it_ends(end: int) -> None:
    refusal(GOOD[:end])


@given(st.binary(max_size=200))
def test_random_bytes_are_refused(data: bytes) -> None:
    refusal(data)


@given(st.data())
def test_a_damaged_header_is_refused_or_describes_the_file_exactly(data: st.DataObject) -> None:
    length = int.from_bytes(GOOD[:8], "little")
    damaged = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, 8 + length - 1))] = data.draw(st.integers(0, 255))
    try:
        found, _ = from_buffer(bytes(damaged))
    except ArraysError:
        return
    assert found.nbytes == len(GOOD) - 8 - int.from_bytes(damaged[:8], "little")


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 1 << 66) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
_entries = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["U8", "F32", "BOOL", "BF16", "nonsense"]) | _json,
        "shape": st.lists(st.integers(-2, 1 << 65) | st.integers(0, 3), max_size=4) | _json,
        "data_offsets": st.lists(st.integers(-2, 12), min_size=2, max_size=2) | _json,
    }
)


@given(st.dictionaries(st.text(max_size=5), _entries | _json, max_size=3), st.binary(max_size=12))
def test_any_header_is_refused_or_describes_the_file_exactly(header: dict[str, Any], body: bytes) -> None:
    try:
        found, _ = from_buffer(file_of(header, body))
    except ArraysError:
        return
    assert found.nbytes == len(body)


@given(
    st.binary(max_size=60),
    st.dictionaries(st.sampled_from(["model/a", "x", "@plain", "/"]), st.just(np.float32(1))),
)
def test_arrays_that_are_no_payload_are_refused(plain: bytes, others: dict[str, Any]) -> None:
    with pytest.raises(ArraysError):
        unpack_buffer(to_bytes(Arrays({"@plain": np.frombuffer(plain, np.uint8), **others})))


@pytest.mark.parametrize(
    "plain",
    [b"\x82\xa6arrays\x90\xa5plain\x81\xa1a\xc7\x01\x05x", b"\x82\xa6arrays\x90\xa5plain\x81\xa3a-b\x01",
     b"\x82\xa6arrays\x90\xa5plain\x81\xa1a" + b"\x91" * 5000 + b"\x01", b"\x82\xa6arrays\x91\x01\xa5plain\x80",
     b"\x82\xa6arrays\x90\xa5plain\x81\xa1a\xa1\xff"],
    ids=["an extension type", "a name that is none", "a deep list", "a number for a name", "bad UTF-8"],
)  # fmt: skip
def test_a_hostile_payload_is_refused(plain: bytes) -> None:
    with pytest.raises(ArraysError):
        unpack_buffer(to_bytes(Arrays({"@plain": np.frombuffer(plain, np.uint8)})))


@pytest.mark.parametrize("dtype", ["float16", "int64", "bool", "bfloat16"])
def test_plain_data_of_another_dtype_is_refused(dtype: str) -> None:
    import ml_dtypes

    with pytest.raises(ArraysError):
        unpack_buffer(to_bytes(Arrays({"@plain": np.zeros((2, 2), getattr(ml_dtypes, dtype, dtype))})))
