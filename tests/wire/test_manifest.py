"""Payloads and their manifests: everything comes back, and whatever a manifest claims is checked before it is believed."""

from __future__ import annotations

import math
import tracemalloc
from typing import Any

import ml_dtypes
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atoll import Arrays
from atoll.store import digest_bytes
from atoll.values import ArraysError, NotFound
from atoll.wire import INLINE, Manifest, TaskSpec, Tensor, call_digest, check_manifest, digest_of, join, split


def there_and_back(payload: dict[str, Any]) -> tuple[dict[str, Any], Manifest, dict[str, memoryview]]:
    manifest, blobs = split(payload)
    for digest, blob in blobs.items():
        assert digest == digest_bytes(blob)
    assert manifest.objects == {d: b.nbytes for d, b in blobs.items()}
    told = msgspec.json.decode(msgspec.json.encode(manifest), type=Manifest)
    assert told == manifest
    return join(told, blobs.__getitem__), manifest, blobs


def refusal(manifest: Manifest) -> ArraysError:
    def opened(digest: str) -> bytes:
        raise AssertionError("something was opened")

    with pytest.raises(ArraysError) as refused:
        join(manifest, opened)
    return refused.value


def ramp(count: int, dtype: Any = np.float32, seed: int = 0) -> np.ndarray[Any, Any]:
    return (
        np.random.default_rng(seed).integers(0, 255, count * np.dtype(dtype).itemsize, np.uint8).view(dtype)
    )


# -- there and back ----------------------------------------------------------------------------------------------


def test_a_small_payload_rides_inside_the_message() -> None:
    payload = {"model": Arrays(a=ramp(100), b=np.float64(1), e=np.zeros((3, 0))), "lr": 0.1}
    found, manifest, blobs = there_and_back(payload)
    assert found == payload
    assert (blobs, manifest.objects) == ({}, {})
    assert 0 < len(manifest.inline) <= INLINE


def test_large_arrays_are_objects_of_their_own_and_small_ones_one_pack() -> None:
    model = Arrays(a=ramp(20_000), b=ramp(5), c=ramp(16_384, seed=1), d=ramp(3, np.int8), e=ramp(16_383))
    found, manifest, blobs = there_and_back({"model": model})
    assert found == {"model": model}
    assert [t.name for t in manifest.groups["model"]] == list("abcde")
    assert sorted(b.nbytes for b in blobs.values()) == [65_536, 64 + 64 + 65_532, 80_000]
    assert [t.offset for t in manifest.groups["model"]] == [0, 0, 0, 64, 128]


def test_objects_are_views_of_the_arrays_and_arrays_views_of_the_objects() -> None:
    array = ramp(1 << 20)
    manifest, blobs = split({"model": Arrays(a=array)})
    (blob,) = blobs.values()
    assert np.shares_memory(np.frombuffer(blob, np.float32), array)
    found = join(manifest, blobs.__getitem__)["model"]["a"]
    assert np.shares_memory(found, array)
    assert not found.flags.writeable
    assert blob.readonly


def test_equal_arrays_are_one_object() -> None:
    a = ramp(50_000)
    found, manifest, blobs = there_and_back(
        {"x": Arrays(a=a, b=a.copy(), c=a.reshape(500, 100)), "y": Arrays(a=a)}
    )
    assert len(blobs) == len(manifest.objects) == 1
    assert found["x"]["c"].shape == (500, 100)


def test_zeros_that_are_shared_out_in_several_ways_are_one_object() -> None:
    zeros = np.zeros(16_384, np.float32)
    small = {f"s{n}": np.zeros(64, np.float32) for n in range(256)}
    payload = {"own": Arrays(a=zeros, b=ramp(100_000)), "packed": Arrays(small)}
    found, manifest, _ = there_and_back(payload)
    assert found == payload
    assert len(manifest.objects) == 2


def test_many_small_arrays_become_packs_of_a_bounded_size() -> None:
    payload = {"model": Arrays({f"a{n}": ramp(15_000, seed=n) for n in range(600)})}
    found, _, blobs = there_and_back(payload)
    assert found == payload
    assert len(blobs) == 3
    assert max(b.nbytes for b in blobs.values()) <= 16 << 20


@pytest.mark.parametrize("size", [10, 100_000])
@pytest.mark.parametrize(
    "dtype", ["bool", "i1", "u8", "f2", "f8", "c8", ml_dtypes.bfloat16, ml_dtypes.float8_e5m2]
)
def test_every_dtype_travels(dtype: Any, size: int) -> None:
    array = (ramp(size, np.uint8) % 2).astype(dtype)
    found, _, _ = there_and_back({"model": Arrays(a=array)})
    assert found["model"]["a"].dtype == array.dtype
    assert found["model"] == Arrays(a=array)


@pytest.mark.parametrize(
    "payload", [{}, {"a": Arrays()}, {"a": 1, "b": [1.5, "x", {"c": None}], "d": True}, {"z": Arrays(a=np.zeros((0, 5)))}]
)  # fmt: skip
def test_little_payloads_travel(payload: dict[str, Any]) -> None:
    found, _, blobs = there_and_back(payload)
    assert found == payload
    assert blobs == {}


def test_a_large_plain_value_rides_in_the_message_though_nothing_else_does() -> None:
    payload = {"text": "x" * 100_000, "a": Arrays(a=ramp(3))}
    found, manifest, blobs = there_and_back(payload)
    assert found == payload
    assert len(blobs) == 1
    assert manifest.inline == b""


_arrays = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8).filter(lambda n: n != "__metadata__"),
    st.tuples(st.sampled_from(["f4", "f8", "i1", "bool"]), st.lists(st.integers(0, 4), max_size=3), st.sampled_from([1, 1, 20_000])),
    max_size=5,
).map(lambda d: Arrays({n: np.zeros([m, *s], t) for n, (t, s, m) in d.items()}))  # fmt: skip
_plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["model", "c", "lr", "note"]), _arrays | _plain, max_size=4))
def test_any_payload_comes_back(payload: dict[str, Any]) -> None:
    found, _, _ = there_and_back(payload)
    assert found == payload


# -- hostile manifests -------------------------------------------------------------------------------------------

BODY, SIZE = bytes(range(256)) * 512, 128 << 10
OBJECT = digest_bytes(BODY)


def tensor(
    name: Any = "a", dtype: Any = "U8", shape: Any = (SIZE,), object: Any = OBJECT, offset: Any = 0
) -> Tensor:
    return Tensor(name, dtype, list(shape), object, offset)


def manifest(*tensors: Tensor, **fields: Any) -> Manifest:
    return Manifest(**{"groups": {"model": list(tensors)}, "objects": {OBJECT: len(BODY)}, **fields})


def test_the_good_one_is_taken() -> None:
    assert bytes(join(manifest(tensor()), lambda _: BODY)["model"]["a"].data) == BODY


HOSTILE = {
    "an unknown dtype": manifest(tensor(dtype="F128")),
    "a negative extent": manifest(tensor(shape=(-1,))),
    "two negative extents": manifest(tensor(shape=(-256, -512))),
    "too many dimensions": manifest(tensor(shape=(1,) * 33)),
    "more than the object": manifest(tensor(shape=(len(BODY) + 1,))),
    "less than the object": manifest(tensor(shape=(len(BODY) - 1,))),
    "exabytes": manifest(tensor(shape=(1 << 62,))),
    "a size that wraps around": manifest(tensor("a", "F32", (1 << 32, 1 << 30)), objects={OBJECT: 0}),
    "empty, with endless extents": manifest(tensor(), tensor("b", shape=(0, 1 << 40, 1 << 40), object="")),
    "empty, with one endless extent": manifest(tensor(), tensor("b", shape=(0, 1 << 53), object="")),
    "empty, far out": manifest(tensor(), tensor("b", shape=(0,), offset=64)),
    "an offset behind the end": manifest(tensor(offset=len(BODY))),
    "a negative offset": manifest(tensor(offset=-64)),
    "an offset between": manifest(tensor(offset=1, shape=(len(BODY) - 1,))),
    "a hole at the beginning": manifest(tensor(offset=64, shape=(len(BODY) - 64,))),
    "a hole": manifest(tensor(shape=(64,)), tensor("b", offset=192, shape=(len(BODY) - 192,))),
    "bytes after the last": manifest(tensor(shape=(64,))),
    "an object that isn't listed": manifest(tensor(), tensor("b", object=digest_bytes(b"x"))),
    "an object that no array lies in": manifest(tensor(), objects={OBJECT: len(BODY), digest_bytes(b"x"): 1}),
    "an object that is a path": manifest(tensor(object="sha256:../x"), objects={"sha256:../x": len(BODY)}),
    "an array in a message that holds none": manifest(tensor(), tensor("b", object="", shape=(4,))),
    "more in the message than its arrays": manifest(tensor(), inline=b"surplus"),
    "less in the message": manifest(tensor(), tensor("b", object="", shape=(8,)), inline=b"1234567"),
    "a name twice": manifest(tensor(), tensor()),
    "a reserved name": manifest(tensor("__metadata__")),
    "a name that is no text": manifest(tensor("\ud800")),
    "a name without end": manifest(tensor("n" * 5_000)),
    "a payload name that is no parameter": Manifest(groups={"a b": []}),
    "a payload called ctx": Manifest(groups={"ctx": []}),
    "the same name for arrays and a value": Manifest(groups={"a": []}, plain=msgspec.msgpack.encode({"a": 1})),
    "plain data that are no MessagePack": Manifest(plain=b"\xc1"),
    "plain data that are a list": Manifest(plain=msgspec.msgpack.encode([1])),
    "plain data with bytes": Manifest(plain=msgspec.msgpack.encode({"a": b"x"})),
    "plain data with a date": Manifest(plain=b"\x81\xa1a\xd6\xff\x00\x00\x00\x00"),
    "plain data with an extension": Manifest(plain=b"\x81\xa1a\xd4\x05\x00"),
    "plain data with a name that is no parameter": Manifest(plain=msgspec.msgpack.encode({"a b": 1})),
    "deep plain data": Manifest(plain=b"\x81\xa1a" + b"\x91" * 100_000 + b"\x01"),
    "plain data that claim a billion entries": Manifest(plain=b"\x81\xa1a\xdd\x3f\xff\xff\xff"),
    "too much plain data": Manifest(plain=bytes(17 << 20)),
}  # fmt: skip


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_manifest_is_refused_before_anything_is_opened(hostile: Manifest) -> None:
    assert refusal(hostile).code in ("arrays.malformed", "arrays.too-large")
    with pytest.raises(ArraysError):
        check_manifest(hostile)


def test_nothing_is_allocated_for_what_is_only_claimed() -> None:
    tracemalloc.start()
    for claim in (1 << 30, 1 << 40, (1 << 53) - 1):
        refusal(manifest(tensor(shape=(claim,))))
        refusal(manifest(tensor(), tensor("b", shape=(claim, 0), object="", offset=64)))
        refusal(Manifest(plain=b"\x81\xa1a\xdd\x7f\xff\xff\xff"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


@pytest.mark.parametrize("body", [BODY[:-1], b"", BODY + b"x"])
def test_an_object_of_another_size_is_refused(body: bytes) -> None:
    with pytest.raises(ArraysError) as refused:
        join(manifest(tensor()), lambda _: body)
    assert refused.value.code == "arrays.malformed"


def test_an_object_that_is_missing_is_told_by_the_store() -> None:
    def missing(digest: str) -> bytes:
        raise NotFound("object.missing", digest)

    with pytest.raises(NotFound):
        join(manifest(tensor()), missing)


_tensors = st.builds(
    Tensor,
    st.sampled_from(["a", "b", "c", "__metadata__", "\ud800"]),
    st.sampled_from(["U8", "F32", "BOOL", "BF16", "nonsense"]),
    st.lists(st.sampled_from([0, 1, 4, 16, 32, 64]) | st.integers(-2, 1 << 66), max_size=4),
    st.sampled_from(["", OBJECT, "x"]),
    st.sampled_from([0, 0, 64, 128]) | st.integers(-2, 1 << 66),
)


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from(["model", "c"]), st.lists(_tensors, max_size=4), max_size=2),
    st.integers(0, 300),
    st.binary(max_size=130),
    st.binary(max_size=12) | _plain.map(lambda p: msgspec.msgpack.encode({"lr": p})),
)
def test_any_manifest_is_refused_or_describes_its_objects_exactly(
    groups: dict[str, list[Tensor]], size: int, inline: bytes, plain: bytes
) -> None:
    objects = {OBJECT: size} if size else {}
    asked = Manifest(groups=groups, objects=objects, inline=inline, plain=plain)
    try:
        found = join(asked, lambda _: BODY[:size])
    except ArraysError:
        return
    arrays = [a for g in found.values() if isinstance(g, Arrays) for a in g.values()]
    assert sum(a.nbytes for a in arrays) >= 0
    assert all(math.prod(a.shape) * a.itemsize <= size + len(inline) for a in arrays)
    lying = {t.object for g in groups.values() for t in g if math.prod(t.shape)}
    assert lying == {*objects, *([""] if inline else [])}


# -- names of messages ---------------------------------------------------------------------------------------------


def test_the_digest_of_a_message_does_not_depend_on_the_order_of_its_keys() -> None:
    one = TaskSpec(action="train", payload=Manifest(), config={"a": 1, "b": 2.5})
    other = TaskSpec(action="train", payload=Manifest(), config={"b": 2.5, "a": 1})
    assert call_digest(one) == call_digest(other) == digest_of(one)
    assert digest_of(one).startswith("sha256:")
    assert call_digest(TaskSpec(action="train", payload=Manifest(), config={"a": 1})) != call_digest(one)


def test_a_task_with_other_arrays_is_another_task() -> None:
    specs = [TaskSpec(action="t", payload=split({"m": Arrays(a=ramp(n, seed=n))})[0]) for n in (5, 6, 50_000)]
    assert len({call_digest(s) for s in specs}) == 3
