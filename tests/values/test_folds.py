"""A mean is the same to the bit however the cohort was split over workers, and right to the last digits."""

from __future__ import annotations

import gc
import tracemalloc
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll import Arrays, Mean
from atoll.values import BLOCK, RunError


@dataclass
class Given:
    """A reply, as far as a fold can see."""

    index: int
    arrays: Arrays
    weight: float = 1.0
    taken: bool = False

    def __getitem__(self, name: str) -> Arrays:
        return {"model": self.arrays}[name]

    def folded(self) -> None:
        self.taken = True


def replies(count: int, *, seed: int = 0, shape: tuple[int, ...] = (5,), dtype: Any = "f4") -> list[Given]:
    rng = np.random.default_rng(seed)
    return [
        Given(
            i,
            Arrays(w=rng.normal(size=shape).astype(dtype), b=np.asarray(rng.normal(), dtype)),
            float(rng.integers(1, 100)),
        )
        for i in range(count)
    ]


def mean_of(members: list[Given], **options: Any) -> Arrays:
    mean = Mean(**options)
    for member in members:
        mean.add(member)
    return mean.finish()


def in_blocks(members: list[Given]) -> Arrays:
    """The order that DESIGN.md fixes, written out plainly."""
    total, weight = None, 0.0
    for at in range(0, len(members), BLOCK):
        block = None
        for m in members[at : at + BLOCK]:
            term = {n: a * np.asarray(m.weight, a.dtype) for n, a in m.arrays.items()}
            block = term if block is None else {n: block[n] + term[n] for n in term}
            weight += m.weight
        total = block if total is None else {n: total[n] + block[n] for n in block}
    return Arrays({n: t / np.asarray(weight, t.dtype) for n, t in total.items()})


@given(
    st.integers(1, 40),
    st.integers(0, 1000),
    st.sampled_from(["f4", "f8", "f2", "i4", "u1", "i8", "?", ml_dtypes.bfloat16]),
)
def test_it_agrees_with_float64(count: int, seed: int, dtype: Any) -> None:
    rng = np.random.default_rng(seed)
    members = [
        Given(i, Arrays(x=rng.normal(0, 40, 7).astype(dtype)), float(rng.integers(1, 9)))
        for i in range(count)
    ]
    total = sum(m.weight for m in members)
    exact = sum(m.arrays["x"].astype("f8") * m.weight for m in members) / total
    found = mean_of(members)["x"]
    assert found.dtype == np.dtype(dtype)
    if np.dtype(dtype).kind == "b":
        np.testing.assert_array_equal(found, exact >= 0.5)
    elif np.dtype(dtype).kind in "iu":
        np.testing.assert_allclose(found, exact, atol=0.5 + 1e-9)
    else:
        eps = float(ml_dtypes.finfo(dtype).eps)
        np.testing.assert_allclose(
            found.astype("f8"), exact, rtol=2 * eps, atol=100 * max(eps / 50, 1e-6) if eps > 1e-8 else 1e-12
        )


@pytest.mark.parametrize("count", [1, 2, 15, 16, 17, 32, 33, 100])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_members_are_added_in_blocks_of_sixteen(count: int, dtype: str) -> None:
    members = replies(count, dtype=dtype)
    assert mean_of(members) == in_blocks(members)


@given(
    st.integers(1, 80),
    st.lists(st.integers(1, 5), min_size=1, max_size=5),
    st.sampled_from(["f4", ml_dtypes.bfloat16]),
)
def test_whole_blocks_merged_give_the_same_bits(count: int, splits: list[int], dtype: Any) -> None:
    members = replies(count, seed=count, dtype=dtype)
    merged, at = Mean(), 0
    for blocks in [*splits, 100]:
        part = Mean(partial=True)
        for member in members[at : at + blocks * BLOCK]:
            part.add(member)
        merged.merge(part)
        at += blocks * BLOCK
    assert merged.finish() == mean_of(members)


def test_a_relay_of_relays_gives_the_same_bits() -> None:
    members = replies(70)
    parts = []
    for at in range(0, 70, BLOCK):
        part = Mean(partial=True)
        for member in members[at : at + BLOCK]:
            part.add(member)
        parts.append(part)
    left, right = Mean(partial=True), Mean(partial=True)
    for part in parts[:2]:
        left.merge(part)
    for part in parts[2:]:
        right.merge(part)
    left.merge(right)
    root = Mean()
    root.merge(left)
    assert root.finish() == mean_of(members)


def test_gaps_in_the_cohort_leave_the_blocks_where_they_are() -> None:
    members = [m for m in replies(64) if m.index not in (0, 7, 16, 40) and not 48 <= m.index < 64]
    first, second = Mean(partial=True), Mean(partial=True)
    for m in members:
        (first if m.index < 32 else second).add(m)
    merged = Mean()
    merged.merge(first)
    merged.merge(second)
    assert merged.finish() == mean_of(members)


def test_large_arrays_are_added_as_small_ones_are() -> None:
    members = replies(5, shape=(70_000,))
    large = mean_of(members)["w"]
    small = mean_of(
        [Given(m.index, Arrays(w=m.arrays["w"][-5:], b=m.arrays["b"]), m.weight) for m in members]
    )["w"]
    np.testing.assert_array_equal(large[-5:], small)
    halves = [Given(m.index, Arrays(x=m.arrays["w"].astype(ml_dtypes.bfloat16)), m.weight) for m in members]
    few = [Given(m.index, Arrays(x=m.arrays["x"][-5:]), m.weight) for m in halves]
    assert mean_of(halves)["x"][-5:].tobytes() == mean_of(few)["x"].tobytes()


def test_order_of_arrival_changes_nothing_but_the_last_bits() -> None:
    members = replies(50)
    shuffled = [members[i] for i in np.random.default_rng(1).permutation(50)]
    np.testing.assert_allclose(mean_of(shuffled)["w"], mean_of(members)["w"], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "dtype", ["f2", "f4", "f8", "i2", "i8", "u8", "?", "c8", ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn]
)
@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (1,), (2, 3)])
def test_every_dtype_and_shape_is_kept(dtype: Any, shape: tuple[int, ...]) -> None:
    ones = Arrays(x=np.ones(shape, dtype))
    found = mean_of([Given(i, ones, 3.0) for i in range(20)])
    assert found == ones
    assert type(found["x"]) is np.ndarray
    assert not found["x"].flags.writeable


def test_integers_go_to_the_nearest_and_truth_to_the_majority() -> None:
    def mean(*values: Any, weights: tuple[float, ...] = (1, 1)) -> Any:
        return mean_of(
            [Given(i, Arrays(x=v), w) for i, (v, w) in enumerate(zip(values, weights, strict=True))]
        )["x"]

    assert mean(np.array([1, 2, -3]), np.array([2, 2, -4])).tolist() == [2, 2, -4], "ties to even"
    assert mean(np.array([255], "u1"), np.array([255], "u1")).tolist() == [255]
    assert mean(np.array([1 << 50]), np.array([(1 << 50) + 2])).tolist() == [(1 << 50) + 1]
    assert mean(np.array([True, False]), np.array([False, False]), weights=(3, 2)).tolist() == [True, False]


def test_weights_count_unless_told_not_to() -> None:
    members = [Given(0, Arrays(x=np.float32([0])), 1), Given(1, Arrays(x=np.float32([4])), 3)]
    assert mean_of(members)["x"] == [3]
    assert mean_of(members, weighted=False)["x"] == [2]
    assert mean_of([Given(0, Arrays(x=np.float32([9])), 0.0), *members[1:]])["x"] == [4], "no weight, no say"


def test_a_reply_is_told_that_it_was_folded() -> None:
    member = replies(1)[0]
    Mean().add(member)
    assert member.taken


ODD = {
    "another name": Arrays(w=np.zeros(5, "f4"), c=np.zeros((), "f4")),
    "a missing name": Arrays(w=np.zeros(5, "f4")),
    "one more name": Arrays(w=np.zeros(5, "f4"), b=np.zeros((), "f4"), c=1),
    "another shape": Arrays(w=np.zeros(5, "f4"), b=np.zeros(2, "f4")),
    "a shape that would broadcast": Arrays(w=np.zeros(1, "f4"), b=np.zeros((), "f4")),
    "another dtype": Arrays(w=np.zeros(5, "f4"), b=np.zeros((), "f8")),
}


@pytest.mark.parametrize("at", [1, 16], ids=["in a block", "in the next block"])
@pytest.mark.parametrize("odd", ODD.values(), ids=ODD.keys())
def test_a_reply_unlike_the_others_is_refused_and_leaves_the_fold_as_it_was(odd: Arrays, at: int) -> None:
    members, mean = replies(20), Mean()
    for m in members:
        if m.index == at:
            stranger = Given(at, odd, 5.0)
            with pytest.raises(RunError) as refused:
                mean.add(stranger)
            assert refused.value.code == "fold.mismatch"
            assert not stranger.taken
        mean.add(m)
    assert mean.finish() == mean_of(members)


def test_unlike_folds_are_not_merged() -> None:
    one, other = Mean(), Mean(partial=True)
    one.add(replies(1)[0])
    other.add(Given(16, ODD["a shape that would broadcast"]))
    with pytest.raises(RunError) as refused:
        one.merge(other)
    assert refused.value.code == "fold.mismatch"
    assert one.finish() == mean_of(replies(1))


def test_a_reply_without_the_payload_leaves_the_fold_as_it_was() -> None:
    mean = Mean("model")
    mean.add(replies(1)[0])
    with pytest.raises(KeyError):
        Mean("other").add(replies(2)[1])
    assert mean.finish() == mean_of(replies(1))


def test_nothing_folded_and_no_weight_are_errors() -> None:
    with pytest.raises(RunError) as empty:
        Mean().finish()
    assert empty.value.code == "fold.empty"
    with pytest.raises(RunError) as weightless:
        mean_of([Given(0, Arrays(x=1.0), 0.0)])
    assert weightless.value.code == "fold.no-weight"
    with pytest.raises(RunError) as endless:
        mean_of([Given(i, Arrays(x=0.0), 1e308) for i in range(3)])
    assert endless.value.code == "fold.no-weight"


def test_an_empty_fold_is_the_neutral_element() -> None:
    one = Mean()
    one.merge(Mean(partial=True))
    for m in replies(3):
        one.add(m)
    one.merge(Mean())
    assert one.finish() == mean_of(replies(3))


def test_a_fold_that_is_spent_can_begin_again() -> None:
    mean = Mean()
    for m in replies(3):
        mean.add(m)
    mean.finish()
    mean.add(Given(0, Arrays(other=np.float64(2))))
    assert mean.finish() == Arrays(other=np.float64(2))


@pytest.mark.parametrize(("count", "accumulators"), [(BLOCK, 1), (3 * BLOCK, 2)])
def test_memory_is_one_accumulator_and_two_beyond_a_block(count: int, accumulators: int) -> None:
    model = Arrays(x=np.ones(1 << 20, "f4"))
    mean = Mean()
    gc.collect()
    tracemalloc.start()
    for i in range(count):
        mean.add(Given(i, model))
    mean.finish()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < accumulators * model.nbytes + (1 << 20)
