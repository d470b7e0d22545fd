"""Each robust rule gives what its paper says, written out naively in float64."""

from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rules_world import (
    EPS,
    FLOATS,
    Given,
    around,
    bulyan,
    centered_clipping,
    close,
    cohorts,
    combine,
    counted,
    exact_median,
    krum_scores,
    multi_krum,
    nearest_means,
    replies,
    some,
    vectors,
    weiszfeld,
    wide,
)

from atoll import Arrays
from atoll.algorithms import (
    Bucketing,
    Bulyan,
    CenteredClipping,
    Collects,
    CoordinateMedian,
    GeometricMedian,
    Krum,
    MultiKrum,
    NearestNeighborMixing,
    NormBounding,
    TrimmedMean,
    WeightedMean,
)
from atoll.values import Mean


@some
@given(cohorts())
def test_the_median_of_each_number(cohort: Any) -> None:
    members, _, dtype = cohort
    found = combine(CoordinateMedian(), members, dtype)
    close(found, np.median(vectors(members), axis=0), dtype)
    assert found["steps"].tolist() == counted(members)


@some
@given(cohorts(lambda f: 2 * f + 1))
def test_the_mean_without_the_extremes(cohort: Any) -> None:
    members, f, dtype = cohort
    kept = np.sort(vectors(members), axis=0)[f : len(members) - f]
    found = combine(TrimmedMean(f=f), members, dtype)
    close(found, kept.mean(axis=0), dtype)
    steps = np.sort([m.arrays["steps"] for m in members], axis=0)[f : len(members) - f].mean(axis=0)
    np.testing.assert_allclose(found["steps"], steps, atol=0.5 + 1e-9)


@some
@given(cohorts(lambda f: 2 * f + 3))
def test_krum_takes_the_reply_with_the_closest_neighbours(cohort: Any) -> None:
    members, f, dtype = cohort
    x = vectors(members)
    found = combine(Krum(f=f), members, dtype)
    np.testing.assert_array_equal(wide(found), x[np.argmin(krum_scores(x, f))])
    assert found["steps"].tolist() == counted(members)


@some
@given(cohorts(lambda f: 2 * f + 3), st.data())
def test_multikrum_averages_the_best_of_krum(cohort: Any, data: Any) -> None:
    members, f, dtype = cohort
    m = data.draw(st.none() | st.integers(1, len(members) - f))
    found = combine(MultiKrum(f=f, m=m), members, dtype)
    close(found, multi_krum(vectors(members), f, m or len(members) - f), dtype)
    assert found["steps"].tolist() == counted(members)


def test_multikrum_of_one_is_krum() -> None:
    members = replies(9, seed=5, dtype="f4", hostile=2)
    assert combine(MultiKrum(f=2, m=1), members, "float32") == combine(Krum(f=2), members, "float32")


@some
@given(cohorts(lambda f: 4 * f + 3))
def test_bulyan_averages_what_most_of_krums_choice_nearly_agree_on(cohort: Any) -> None:
    members, f, dtype = cohort
    close(combine(Bulyan(f=f), members, dtype), bulyan(vectors(members), f), dtype)


@some
@given(cohorts(), st.integers(1, 9), st.booleans())
def test_the_geometric_median_by_weiszfelds_steps(cohort: Any, iterations: int, weighted: bool) -> None:
    members, _, dtype = cohort
    rule = GeometricMedian(iterations=iterations, smoothing=1e-3, tolerance=0, weighted=weighted)
    weights = [m.weight if weighted else 1.0 for m in members]
    expected = weiszfeld(vectors(members), weights, iterations=iterations, nu=1e-3)
    close(combine(rule, members, dtype), expected, dtype)


@some
@given(cohorts(lambda f: 2 * f + 2))
def test_no_other_place_is_nearer_to_all_than_the_geometric_median(cohort: Any) -> None:
    members, _, dtype = cohort
    x = vectors(members)

    def way(z: Any) -> float:
        return sum(math.dist(z, x_i) for x_i in x)

    found = wide(combine(GeometricMedian(iterations=100, tolerance=1e-9), members, dtype))
    rng = np.random.default_rng(0)
    others = [*x, x.mean(axis=0), np.median(x, axis=0), *(found + rng.normal(0, 0.3, (20, len(found))))]
    assert way(found) <= min(map(way, others)) * (1 + max(1e-4, EPS[dtype]))


@some
@given(cohorts(), st.sampled_from([0.1, 1.0, 5.0, 1000.0]), st.integers(1, 4))
def test_clipping_around_the_result(cohort: Any, radius: float, iterations: int) -> None:
    members, _, dtype = cohort
    rule = CenteredClipping(radius, iterations=iterations)
    close(combine(rule, members, dtype), centered_clipping(vectors(members), radius, iterations), dtype)


@some
@given(cohorts(), st.sampled_from([0.1, 1.0, 5.0, 1000.0]), st.booleans())
def test_updates_are_shortened_to_a_bound(cohort: Any, bound: float, weighted: bool) -> None:
    members, _, dtype = cohort
    x, start = vectors(members), 0.5
    given_ = around(FLOATS[dtype]).map(lambda a: a + np.asarray(start, a.dtype) if a.dtype.kind != "i" else a)
    weights = [m.weight if weighted else 1.0 for m in members]
    u = [(x_i - start) * min(1.0, bound / np.linalg.norm(x_i - start)) for x_i in x]
    found = NormBounding(bound, weighted=weighted).combine(members, around=given_)
    close(found, start + np.average(u, axis=0, weights=weights), dtype)


def test_bounds_that_nothing_reaches_give_the_mean_to_the_bit() -> None:
    members = replies(7, seed=1, dtype="f4")
    mean = combine(WeightedMean(), members, "float32")
    start = members[3].arrays.map(lambda a: (a * 3).astype(a.dtype))
    assert NormBounding(1e6, weighted=True).combine(members, around=start) == mean


@some
@given(cohorts(lambda f: 2 * f + 1), st.integers(1, 3), st.integers(0, 99))
def test_a_rule_sees_buckets(cohort: Any, size: int, seed: int) -> None:
    members, _, dtype = cohort
    x, median = vectors(members), Listening()
    found = combine(Bucketing(median, size=size, seed=seed), members, dtype)
    buckets = median.groups
    assert sorted(i for b in buckets for i in b) == list(range(len(members)))
    assert [len(b) for b in buckets[:-1]] == [size] * (len(buckets) - 1)
    assert 1 <= len(buckets[-1]) <= size
    close(found, np.median([x[b].mean(axis=0) for b in buckets], axis=0), dtype)


@some
@given(cohorts(lambda f: 2 * f + 1), st.integers(1, 3))
def test_a_bucket_weighs_what_its_replies_do(cohort: Any, size: int) -> None:
    members, _, dtype = cohort
    listening = Listening()
    combine(Bucketing(listening, size=size), members, dtype)
    x, buckets = vectors(members), listening.groups
    y = np.array([x[b].mean(axis=0) for b in buckets])
    weights = [sum(members[i].weight for i in b) for b in buckets]
    rule = GeometricMedian(iterations=3, smoothing=1e-3, tolerance=0, weighted=True)
    found = combine(Bucketing(rule, size=size), members, dtype)
    close(found, weiszfeld(y, weights, iterations=3, nu=1e-3), dtype)


@some
@given(cohorts(lambda f: 2 * f + 1))
def test_each_reply_is_mixed_with_its_nearest(cohort: Any) -> None:
    members, f, dtype = cohort
    found = combine(NearestNeighborMixing(CoordinateMedian(), f=f), members, dtype)
    close(found, np.median(nearest_means(vectors(members), f), axis=0), dtype)


@some
@given(cohorts(lambda f: 2 * f + 3))
def test_krum_of_mixed_replies_measures_the_mixed(cohort: Any) -> None:
    members, f, dtype = cohort
    y = nearest_means(vectors(members), f)
    scores = krum_scores(y, f)
    found = wide(combine(NearestNeighborMixing(Krum(f=f), f=f), members, dtype))
    near = [y_i for y_i, s in zip(y, scores, strict=True) if s <= min(scores) * (1 + 1e-3) + 1e-9]
    assert min(np.abs(found - y_i).max() for y_i in near) <= 2 * EPS[dtype] * np.abs(y).max()


class Listening(Collects):
    """A median that tells of which groups of replies it was given the means."""

    least = 1
    groups: Any = ()

    def spared(self, lost: int) -> Listening:
        return self

    def of(self, stack: Any, around: Arrays) -> Arrays:
        self.groups = stack.groupings[-1].groups
        return CoordinateMedian().of(stack, around)


@pytest.mark.parametrize("dtype", ["f2", "f8", "i1", "u1", "i8", "u8", "?", "c8", ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn])  # fmt: skip
@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_every_dtype_has_a_median(dtype: Any, count: int) -> None:
    rng = np.random.default_rng(count)
    members = [Given(i, Arrays(x=_drawn(rng, np.dtype(dtype)))) for i in range(count)]
    start = Arrays(x=np.zeros(9, dtype))
    found = CoordinateMedian().combine(members, around=start)["x"]
    assert found.dtype == np.dtype(dtype)
    columns = np.array([m.arrays["x"] for m in members])
    if found.dtype.kind == "c":
        expected = np.median(columns.real, axis=0) + 1j * np.median(columns.imag, axis=0)
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    elif found.dtype.kind in "iu":
        assert found.tolist() == [exact_median(c.tolist()) for c in columns.T]
    elif found.dtype.kind == "b":
        np.testing.assert_array_equal(found, columns.mean(axis=0) >= 0.5)
    else:
        seen = columns.astype(np.promote_types(np.float32, dtype) if found.dtype.kind == "f" else np.float32)
        np.testing.assert_array_equal(found, np.median(seen, axis=0).astype(dtype))


def _drawn(rng: Any, dtype: np.dtype[Any]) -> Any:
    if dtype.kind in "iu":
        return rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, 9, dtype=dtype, endpoint=True)
    if dtype.kind == "c":
        return (rng.normal(size=9) + 1j * rng.normal(size=9)).astype(dtype)
    return rng.normal(0, 1, 9).astype(dtype)


@pytest.mark.parametrize("rule", [CoordinateMedian(), TrimmedMean(f=2), Krum(f=2), MultiKrum(f=2), Bulyan(f=1), GeometricMedian(), CenteredClipping(3.0), NearestNeighborMixing(CoordinateMedian(), f=2)], ids=str)  # fmt: skip
def test_many_blocks_are_one_array_cut_up(rule: Any) -> None:
    rng = np.random.default_rng(3)
    long = rng.normal(size=(7, 40_000)).astype("f4")
    whole = rule.combine([Given(i, Arrays(x=x)) for i, x in enumerate(long)], around=Arrays(x=0 * long[0]))
    cuts = [slice(0, 5), slice(5, 33_000), slice(33_000, 40_000)]
    cut = [Given(i, Arrays({str(k): x[c] for k, c in enumerate(cuts)})) for i, x in enumerate(long)]
    apart = rule.combine(cut, around=cut[0].arrays.map(np.zeros_like))
    np.testing.assert_allclose(np.concatenate(list(apart.values())), whole["x"], rtol=1e-5, atol=1e-6)


@some
@given(cohorts())
def test_the_weighted_mean_is_a_fold(cohort: Any) -> None:
    members, _, dtype = cohort
    mean = Mean()
    for m in members:
        mean.add(m)
    assert combine(WeightedMean(), members, dtype) == mean.finish()
