"""Shards, skewed sizes and skewed features: every row at one node, the same one for ever, and skewed as they say."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atoll.data import FeatureSkew, Natural, Partition, Shards, SizeSkew, Table, split
from atoll.data._features import centres, nearest
from atoll.data._random import Stream, normal
from atoll.values import DataError

SEEDS = st.integers(-(2**70), 2**70)
RULES: dict[str, Partition] = {
    "shards": Shards(),
    "one shard of numbers": Shards("x", per_node=1),
    "lognormal": SizeSkew(),
    "power": SizeSkew("power", 1.5),
    "dirichlet": SizeSkew("dirichlet", 4.0),
    "equal": SizeSkew(spread=0.0),
    "features": FeatureSkew(["x", "label"], groups=3),
}


def covers(parts: list[np.ndarray], rows: int, nodes: int) -> bool:
    dealt = np.concatenate(parts)
    ascending = all(np.all(np.diff(part) > 0) for part in parts)
    return len(parts) == nodes and ascending and np.array_equal(np.sort(dealt), np.arange(rows))


def same(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.floats(-1e30, 1e30)), min_size=1, max_size=120),
    st.integers(1, 20),
    SEEDS,
    st.integers(0, 3),
    st.data(),
)
def test_each_row_is_dealt_once_and_the_same_again(
    rows: list[tuple[int, float]], nodes: int, seed: int, minimum: int, data: st.DataObject
) -> None:
    rules: list[tuple[Partition, int]] = [
        (Shards(per_node=data.draw(st.integers(1, 3)), minimum=minimum), minimum),
        (Shards("x", per_node=1, minimum=minimum), max(1, minimum)),
        (SizeSkew(data.draw(st.sampled_from(["lognormal", "power", "dirichlet"])), 3.0, minimum), minimum),
        (SizeSkew(spread=100.0, minimum=minimum), minimum),
        (FeatureSkew(["x", "label"], 4, 1e-3, minimum), minimum),
    ]
    table = Table(label=[label for label, _ in rows], x=[x for _, x in rows])
    for rule, least in rules:
        needed = max(minimum, rule.per_node) if isinstance(rule, Shards) else minimum
        if len(rows) < nodes * needed:
            with pytest.raises(DataError, match="can't give"):
                rule.indices(table, nodes, seed)
            continue
        parts = rule.indices(table, nodes, seed)
        assert covers(parts, len(rows), nodes)
        assert min(map(len, parts)) >= least
        assert same(parts, rule.indices(Table(label=table["label"].copy(), x=table["x"].copy()), nodes, seed))


# Golden values: they hold on every platform and with every numpy; a change here changes everybody's partitions.
GOLDEN = {
    "shards": "d9e0dcd317c32c56",
    "one shard of numbers": "63f79fbe6d590217",
    "lognormal": "545b83b095fa8a1a",
    "power": "4b1e8a3d43e9cef7",
    "dirichlet": "1f820c40f7bc3f50",
    "equal": "d033b3bb96c731d0",
    "features": "b9d741f1926d9b19",
}


@pytest.mark.parametrize("name", RULES)
def test_a_seed_deals_the_same_rows_for_ever(name: str) -> None:
    place = np.arange(3_000)
    table = Table(label=place**2 % 11, x=(place * 7919 % 3_001) / 3.0)
    parts = RULES[name].indices(table, 13, 42)
    text = " | ".join(" ".join(map(str, part.tolist())) for part in parts)
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == GOLDEN[name]


@pytest.mark.parametrize("name", [name for name in RULES if name not in ("equal", "power")])
def test_a_seed_matters(name: str) -> None:
    table = Table(label=np.arange(200) % 10, x=np.arange(200) % 37)
    assert not same(*(RULES[name].indices(table, 5, seed) for seed in (1, 2)))


def test_shards_are_those_of_the_paper() -> None:
    labels = np.arange(60_000) % 10  # 200 shards of 300 rows, two for each of 100 clients
    parts = Shards().indices(Table(label=labels), 100, 0)
    assert {len(part) for part in parts} == {600}
    kinds = [len(set(labels[part].tolist())) for part in parts]
    assert max(kinds) == 2
    assert sum(kind == 2 for kind in kinds) > 80


def test_one_shard_of_numbers_is_a_range_of_its_own() -> None:
    ages = np.random.default_rng(0).integers(18, 90, 500)
    parts = Shards("age", per_node=1).indices(Table(age=ages), 5, 3)
    ranges = sorted((ages[part].min(), ages[part].max()) for part in parts)
    assert all(one[1] <= other[0] for one, other in pairwise(ranges))


def test_a_node_has_the_same_classes_to_train_and_to_test() -> None:
    train, test = np.arange(1_437) % 10, np.arange(359) % 10
    dealt = split({"train": Table(label=train), "test": Table(label=test)}, Shards(), 10, 1)
    for node in range(10):
        mine = [np.bincount(labels[dealt.indices[name][node]], minlength=10) for name, labels in
                (("train", train), ("test", test))]  # fmt: skip
        assert set(np.flatnonzero(mine[1])) <= set(np.flatnonzero(mine[0]))
        assert np.abs(mine[0] / 1_437 - mine[1] / 359).max() < 0.005


@pytest.mark.parametrize(
    "column",
    [
        np.array(["b", "a", "c"] * 20, object),
        np.arange("2026-01", "2026-03", dtype="datetime64[D]"),
        np.arange("2026-01-01", "2026-01-03", np.timedelta64(1, "h"), dtype="datetime64[ns]"),
        np.arange(60) % 2 == 0,
    ],
)
def test_whatever_has_an_order_is_cut(column: np.ndarray) -> None:
    parts = Shards("when", per_node=1).indices(Table(when=column), 3, 0)
    assert covers(parts, len(column), 3)
    ranges = sorted((column[part].min(), column[part].max()) for part in parts)
    assert all(one[1] <= other[0] for one, other in pairwise(ranges))


@pytest.mark.parametrize("rule", [Shards("site"), Natural("site")])
def test_values_without_an_order_between_two_data_sets_are_refused(rule: Partition) -> None:
    with pytest.raises(DataError, match="mixes values that have no order: int, str"):
        split({"train": Table(site=["a", "b"]), "test": Table(site=[1, 2])}, rule, 1, 0)


def test_a_small_test_set_still_has_rows_for_every_node() -> None:
    dealt = split({"train": Table(label=np.arange(900) % 3), "test": Table(label=[0] * 40)}, Shards(), 30, 0)
    assert min(len(part) for part in dealt.indices["test"]) == 1


def test_sizes_follow_their_law() -> None:
    rows = range(100_000)
    power = [len(part) for part in SizeSkew("power", 1.0).indices(rows, 10, 0)]
    assert np.allclose(power, 100_000 / np.sum(1 / np.arange(1, 11)) / np.arange(1, 11), atol=1)
    spreads = []
    for spread in (0.0, 0.5, 1.0, 2.0):
        sizes = np.array([len(part) for part in SizeSkew(spread=spread).indices(rows, 400, 0)])
        spreads.append(float(np.std(np.log(sizes))))
    assert np.allclose(spreads, [0.0, 0.5, 1.0, 2.0], rtol=0.1, atol=0.01)
    even, uneven = (
        np.std([len(part) for part in SizeSkew("dirichlet", spread).indices(rows, 50, 0)])
        for spread in (0.01, 10.0)
    )
    assert uneven > 10 * even


def test_quantity_skew_has_the_moments_of_its_dirichlet() -> None:
    nodes, spread, rows = 5, 2.0, range(1_000)
    rule = SizeSkew("dirichlet", spread, minimum=0)
    shares = (
        np.array([[len(part) for part in rule.indices(rows, nodes, seed)] for seed in range(250)]) / 1_000
    )
    variance = (1 / nodes) * (1 - 1 / nodes) / (nodes / spread + 1)
    assert np.allclose(shares.mean(axis=0), 1 / nodes, atol=5 * np.sqrt(variance / 250))
    assert np.allclose(shares.var(axis=0), variance, rtol=0.4)


def test_a_node_has_the_same_part_of_every_data_set() -> None:
    dealt = split({"train": list(range(10_000)), "test": list(range(1_000))}, SizeSkew(), 7, 5)
    train, test = ([len(part) for part in dealt.indices[name]] for name in ("train", "test"))
    assert np.allclose(np.array(train) / 10, test, atol=1)


def test_our_normal_draws_have_the_moments_of_a_normal() -> None:
    drawn = normal(Stream(0, "test"), 100_000)
    assert len(drawn) == 100_000
    assert np.allclose([drawn.mean(), drawn.var(), (drawn**4).mean()], [0, 1, 3], atol=0.05)


def test_rows_that_look_alike_lie_together() -> None:
    rng = np.random.default_rng(0)
    region = np.arange(600) % 3
    image = (region[:, None, None] * 10 + rng.random((600, 4, 4))).astype(np.float32)
    tables = {"train": Table(image=image[:500], label=np.arange(500) % 2), "test": Table(image=image[500:])}
    dealt = split(tables, FeatureSkew("image", groups=3, alpha=1e-3), 3, 4)
    for name, regions in (("train", region[:500]), ("test", region[500:])):
        homes = [
            set(np.flatnonzero(np.bincount(regions[part], minlength=3) > 1)) for part in dealt.indices[name]
        ]
        assert sum(len(home) for home in homes) == 3  # each region at one node, but for a row to fill up
    train, test = (
        [
            np.bincount(regions[part], minlength=3).argmax() if len(part) > 1 else -1
            for part in dealt.indices[name]
        ]
        for name, regions in (("train", region[:500]), ("test", region[500:]))
    )
    assert train == test


def test_groups_do_not_depend_on_how_matrices_are_multiplied() -> None:
    points = np.rint(np.random.default_rng(0).random((500, 784)) * 73).astype(np.float32)
    found = centres(points, 8, Stream(0, "test"))
    exact = ((points[:, None].astype(np.int64) - found[None].astype(np.int64)) ** 2).sum(axis=2)
    assert np.array_equal(nearest(points, found), exact.argmin(axis=1))
    assert np.array_equal(nearest(points, found), nearest(np.asfortranarray(points), found))


@pytest.mark.parametrize("x", [["a", "b"], [1.0, float("nan")], [1.0, float("inf")], [1.0, 1e39]])
def test_features_are_finite_numbers(x: list[Any]) -> None:
    with pytest.raises(DataError, match="column `x`") as raised:
        FeatureSkew("x").indices(Table(x=x), 1, 0)
    assert raised.value.code == "data.not-numbers"


def test_features_have_one_shape_in_all_data_sets() -> None:
    with pytest.raises(DataError, match="data set `test`: column `x` has 3 numbers a row, not 2"):
        split({"train": Table(x=np.ones((4, 2))), "test": Table(x=np.ones((4, 3)))}, FeatureSkew("x"), 2, 0)


def test_a_missing_column_is_said_of_its_data_set() -> None:
    for rule in (Shards("label"), FeatureSkew("label")):
        with pytest.raises(DataError, match="data set `test`: there is no column `label`"):
            split({"train": Table(label=[1, 2, 3, 4]), "test": Table(x=[1])}, rule, 2, 0)


def test_an_empty_data_set_is_dealt_where_nobody_needs_rows() -> None:
    empty = Table(x=np.empty(0), label=np.empty(0))
    for rule in (SizeSkew(minimum=0), FeatureSkew("x", minimum=0)):
        assert [len(part) for part in rule.indices(empty, 3, 0)] == [0, 0, 0]
