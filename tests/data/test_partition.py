"""Every row goes to exactly one node, the same one wherever and however often it is dealt."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atoll.data import IID, Dirichlet, Natural, Partition, Table
from atoll.data._dirichlet import deal, fill
from atoll.data._random import Stream, exp, log, log_dirichlet, uniform
from atoll.values import DataError

LABELS = st.lists(st.integers(0, 9), min_size=1, max_size=300)
SEEDS = st.integers(-(2**70), 2**70)
ALPHAS = st.sampled_from([1e-9, 1e-3, 0.1, 0.5, 1.0, 3.0, 1e3, 1e9])


def covers(parts: list[np.ndarray], rows: int, nodes: int) -> bool:
    dealt = np.concatenate(parts)
    ascending = all(np.all(np.diff(part) > 0) for part in parts)
    return len(parts) == nodes and ascending and np.array_equal(np.sort(dealt), np.arange(rows))


def skew(parts: list[np.ndarray], labels: np.ndarray) -> float:
    """The mean over nodes of the share of a node's most frequent label."""
    return float(np.mean([np.bincount(labels[part]).max() / len(part) for part in parts]))


@settings(deadline=None)
@given(LABELS, st.integers(1, 40), SEEDS, ALPHAS, st.integers(0, 3))
def test_each_row_is_dealt_once_and_the_same_again(
    labels: list[int], nodes: int, seed: int, alpha: float, least: int
) -> None:
    table = Table(label=labels)
    rules: list[tuple[Partition, int]] = [(IID(), 1), (Dirichlet(alpha=alpha, minimum=least), least)]
    for rule, minimum in rules:
        if len(labels) < nodes * minimum:
            with pytest.raises(DataError, match="can't give"):
                rule.indices(table, nodes, seed)
            continue
        parts = rule.indices(table, nodes, seed)
        assert covers(parts, len(labels), nodes)
        assert min(map(len, parts)) >= minimum
        again = rule.indices(Table(label=labels), nodes, seed)
        assert all(np.array_equal(one, other) for one, other in zip(parts, again, strict=True))


@settings(deadline=None)
@given(st.integers(1, 500), st.integers(1, 50), SEEDS)
def test_iid_nodes_differ_by_at_most_one_row(rows: int, nodes: int, seed: int) -> None:
    if rows < nodes:
        return
    sizes = [len(part) for part in IID().indices(range(rows), nodes, seed)]
    assert max(sizes) - min(sizes) <= 1


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["north", "south", "east", "west", "sea"]), min_size=1, max_size=100), st.data()
)
def test_natural_keeps_every_site_together(sites: list[str], data: st.DataObject) -> None:
    nodes = data.draw(st.integers(1, len(set(sites))))
    table = Table(site=sites)
    parts = Natural("site").indices(table, nodes, 0)
    assert covers(parts, len(sites), nodes)
    assert min(map(len, parts)) >= 1
    held = [{sites[row] for row in part} for part in parts]
    assert sum(map(len, held)) == len(set(sites))
    names = Natural("site").names(table, nodes)
    assert len(set(names)) == nodes
    assert all(name.split("+")[0] in group for name, group in zip(names, held, strict=True))


def test_the_largest_sites_come_first_and_small_ones_share_a_node() -> None:
    sites = ["a"] * 2 + ["b"] * 9 + ["c"] * 5 + ["d"] * 4 + ["e"] * 1
    table = Table(clinic=sites)
    rule = Natural("clinic")
    assert rule.names(table, 5) == ["b", "c", "d", "a", "e"]
    assert rule.names(table, 3) == ["b", "c+1", "d+1"]
    assert [len(part) for part in rule.indices(table, 3, seed=1)] == [9, 6, 6]


def test_sites_may_be_numbers_and_equal_sizes_go_by_value() -> None:
    table = Table(clinic=[3, 1, 2, 3, 1, 2])
    assert Natural("clinic").names(table, 3) == ["1", "2", "3"]
    assert Natural("clinic").names(table, 1) == ["1+2"]


def test_names_of_nodes_never_collide() -> None:
    table = Table(clinic=["a"] * 3 + ["b"] * 4 + ["a+1"] * 5 + ["c"])
    names = Natural("clinic").names(table, 3)
    assert names == ["a+1", "b", "a+1 (2)"]


def test_only_natural_partitions_name_nodes() -> None:
    rules: list[Partition] = [IID(), Dirichlet()]
    assert [rule.names(Table(label=[0, 1]), 2) for rule in rules] == [None, None]


def test_a_small_alpha_skews_labels_and_a_large_one_does_not() -> None:
    labels = np.arange(20_000) % 10
    table = Table(label=labels)
    by_alpha = {
        alpha: skew(Dirichlet(alpha=alpha).indices(table, 20, 3), labels)
        for alpha in (1e-3, 0.1, 1.0, 100.0, 1e9)
    }
    assert sorted(by_alpha.values(), reverse=True) == list(by_alpha.values())
    assert by_alpha[1e-3] > 0.6
    assert by_alpha[1e9] < 0.11


def test_an_even_deal_starves_no_node_of_a_small_data_set() -> None:
    labels = np.arange(360) % 10  # 36 rows of each class over 100 nodes
    sizes = [len(part) for part in Dirichlet(alpha=1e9, minimum=0).indices(Table(label=labels), 100, 1)]
    assert set(sizes) <= {3, 4}


def test_label_skew_belongs_to_the_seed_and_not_to_the_data_set() -> None:
    train, test = np.arange(50_000) % 10, np.arange(9_000) % 9  # the test set lacks class 9
    shares = []
    for labels in (train, test):
        parts = Dirichlet(alpha=0.3, minimum=0).indices(Table(label=labels), 10, 5)
        counts = np.stack([np.bincount(labels[part], minlength=10) for part in parts])[:, :9]
        shares.append(counts / counts.sum(axis=0))
    assert np.abs(shares[0] - shares[1]).max() < 0.002


def test_text_and_number_labels_are_taken() -> None:
    for labels in (
        ["cat", "dog"] * 50,
        [0.5, 1.5] * 50,
        [True, False] * 50,
        np.array(["x", "y"] * 50, object),
    ):
        assert covers(Dirichlet().indices(Table(label=labels), 5, 0), 100, 5)


def test_seeds_and_nodes_matter() -> None:
    table = Table(label=np.arange(100) % 4)
    for rule in (IID(), Dirichlet()):
        one, other = (np.concatenate(rule.indices(table, 4, seed)) for seed in (1, 2))
        assert not np.array_equal(one, other)


def test_a_class_with_no_share_at_a_node_is_not_rounded_up_to_one() -> None:
    proportions = np.log(np.array([[0.5, 0.5, 1e-200], [1 / 3, 1 / 3, 1 / 3]]))
    shares = deal(proportions, np.array([9, 1]))
    assert shares[0, 2] == 0
    assert shares.sum(axis=1).tolist() == [9, 1]


def test_who_lacks_rows_takes_the_classes_that_it_favours() -> None:
    shares = np.array([[10, 0, 0], [0, 8, 0]])
    preference = np.log(np.array([[0.9, 0.05, 0.05], [0.1, 0.5, 0.4]]))
    fill(shares, preference, minimum=3)
    assert shares.tolist() == [[10, 0, 0], [0, 5, 3]]


@settings(deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 20), min_size=4, max_size=4), min_size=1, max_size=6),
    st.integers(0, 8),
    SEEDS,
)
def test_filling_moves_rows_and_loses_none(shares: list[list[int]], minimum: int, seed: int) -> None:
    before = np.array(shares)
    if before.sum() < 4 * minimum:
        return
    after = before.copy()
    fill(after, log_dirichlet([Stream(seed, row) for row in range(len(shares))], 0.5, 4), minimum)
    assert after.min() >= 0
    assert after.sum(axis=0).min() >= minimum
    assert np.array_equal(after.sum(axis=1), before.sum(axis=1))


# Golden values: they hold on every platform and with every numpy; a change here changes everybody's partitions.
GOLDEN = {"IID": "a6a53e9b7c621496", "Dirichlet": "f5ee6404c781cd1b"}


def digest(rule: Partition) -> str:
    parts = rule.indices(Table(label=np.arange(3_000) ** 2 % 11), 13, 42)
    return hashlib.sha256(
        " | ".join(" ".join(map(str, part.tolist())) for part in parts).encode()
    ).hexdigest()[:16]


@pytest.mark.parametrize("rule", [IID(), Dirichlet(alpha=0.2)])
def test_a_seed_deals_the_same_rows_for_ever(rule: Partition) -> None:
    assert digest(rule) == GOLDEN[type(rule).__name__]


def test_another_process_deals_the_same_rows() -> None:
    code = (
        "import numpy as np; from atoll.data import *; np.random.seed(5);"
        "print([p.tolist() for p in Dirichlet().indices(Table(label=list('abcab' * 9)), 4, 7)])"
    )
    ours = [part.tolist() for part in Dirichlet().indices(Table(label=list("abcab" * 9)), 4, 7)]
    for hash_seed in ("1", "2"):
        said = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
        )
        assert said.stdout.strip() == str(ours)


def test_our_logarithm_and_exponential_are_right() -> None:
    x = np.concatenate([np.logspace(-300, 300, 1001), np.linspace(0.5, 2, 1001)])
    assert np.allclose(log(x), np.log(x), rtol=1e-15, atol=1e-15)
    y = -np.logspace(-12, 2.8, 1001)
    assert np.allclose(exp(y), np.exp(y), rtol=1e-12, atol=0)
    assert exp(np.array([0.0])) == 1.0
    assert exp(np.array([-1e6])) == 0.0
    assert 0.0 < uniform(np.array([0], np.uint64))[0] < uniform(np.array([2**64 - 1], np.uint64))[0] < 1.0


@pytest.mark.parametrize("alpha", [0.05, 0.5, 1.0, 5.0, 200.0])
def test_our_dirichlet_has_the_moments_of_a_dirichlet(alpha: float) -> None:
    size, draws = 5, 20_000
    p = np.exp(log_dirichlet([Stream(1, row) for row in range(draws)], alpha, size))
    assert np.allclose(p.sum(axis=1), 1.0)
    variance = (1 / size) * (1 - 1 / size) / (size * alpha + 1)
    assert np.allclose(p.mean(axis=0), 1 / size, atol=5 * np.sqrt(variance / draws))
    assert np.allclose(p.var(axis=0), variance, rtol=0.06)


@pytest.mark.parametrize("rule", [IID(), Dirichlet(), Natural("label")])
def test_there_must_be_a_node(rule: Partition) -> None:
    with pytest.raises(DataError, match="nodes = 0"):
        rule.indices(Table(label=[1, 2]), 0, 0)


def test_too_few_rows_for_the_nodes_are_refused_with_the_most_that_will_do() -> None:
    with pytest.raises(DataError, match="30 rows can't give 20 nodes 2 each") as raised:
        Dirichlet(minimum=2).indices(Table(label=np.arange(30) % 3), 20, 0)
    assert raised.value.code == "data.too-few-rows"
    assert raised.value.mend == "run with nodes = 15 or fewer"
    with pytest.raises(DataError, match="3 rows can't give 2 nodes 5 each") as raised:
        Dirichlet(minimum=5).indices(Table(label=[1, 2, 3]), 2, 0)
    assert raised.value.mend == "hand in 10 rows or more"


def test_more_nodes_than_sites_are_refused_with_both_numbers() -> None:
    with pytest.raises(DataError, match="7 nodes, but column `clinic` has only 2 distinct values") as raised:
        Natural("clinic").indices(Table(clinic=["a", "b", "b"]), 7, 0)
    assert raised.value.code == "data.too-few-sites"
    assert raised.value.mend == "run with nodes = 2 or fewer"


@pytest.mark.parametrize("alpha", [0.0, -1.0, float("nan"), float("inf"), 1e10])
def test_an_alpha_that_means_nothing_is_refused(alpha: float) -> None:
    with pytest.raises(DataError, match="alpha = "):
        Dirichlet(alpha=alpha)


def test_a_negative_minimum_is_refused() -> None:
    with pytest.raises(DataError, match="minimum = -1"):
        Dirichlet(minimum=-1)


@pytest.mark.parametrize(
    ("column", "code"),
    [
        (np.zeros((3, 2)), "data.not-one-value"),
        ([1.0, float("nan"), 2.0], "data.missing-values"),
        (np.array(["a", None, "b"], object), "data.missing-values"),
        (np.array(["a", float("nan"), "b"], object), "data.missing-values"),
        (np.array(["a", 1, "b"], object), "data.mixed-values"),
    ],
)
def test_a_column_that_cannot_deal_is_refused(column: Any, code: str) -> None:
    for rule in (Dirichlet("site"), Natural("site")):
        with pytest.raises(DataError, match="column `site`") as raised:
            rule.indices(Table(site=column), 2, 0)
        assert raised.value.code == code
        assert raised.value.mend


def test_missing_values_of_pandas_are_seen() -> None:
    pandas = pytest.importorskip("pandas")
    for frame in (
        pandas.DataFrame({"site": ["a", None, "b"]}),
        pandas.DataFrame({"site": pandas.array([1, None, 2], dtype="Int64")}),
    ):
        with pytest.raises(DataError, match="no value in 1 of 3 rows"):
            Natural("site").indices(frame, 2, 0)
