"""Several data sets are dealt alike, and a table is copied once, however many nodes there are."""

from __future__ import annotations

import tracemalloc
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atoll.data import IID, Dirichlet, Natural, Partition, Subset, Table, split
from atoll.values import DataError


def datasets(train: int = 1000, test: int = 200) -> dict[str, Table]:
    return {
        name: Table(x=np.arange(rows * 4.0).reshape(rows, 4), label=np.arange(rows) % 10, row=np.arange(rows))
        for name, rows in (("train", train), ("test", test))
    }


@settings(deadline=None)
@given(
    st.integers(1, 20), st.integers(0, 99), st.sampled_from([IID(), Dirichlet(alpha=0.1), Natural("label")])
)
def test_a_node_has_the_rows_that_were_dealt_to_it(nodes: int, seed: int, rule: Partition) -> None:
    given_, whole = datasets(), range(nodes if rule != Natural("label") else min(nodes, 10))
    dealt = split(given_, rule, len(whole), seed)
    assert len(dealt) == dealt.nodes == len(whole)
    for name, dataset in given_.items():
        parts = [dealt.node(node)[name] for node in whole]
        assert all(
            np.array_equal(part["row"], rows) for part, rows in zip(parts, dealt.indices[name], strict=True)
        )
        assert all(np.array_equal(part["x"], dataset["x"][part["row"]]) for part in parts)
        assert sum(map(len, parts)) == len(dataset)


def test_every_part_of_a_table_is_a_view_of_one_copy() -> None:
    dealt = split(datasets(), Dirichlet(), 10, 0)
    parts = [dealt.node(node)["train"]["x"] for node in range(10)]
    whole = parts[0].base
    assert all(part.base is whole and part.flags.writeable and part.flags.c_contiguous for part in parts)
    assert np.shares_memory(dealt.node(3)["train"]["x"], parts[3])
    assert not any(np.shares_memory(parts[0], part) for part in parts[1:])


def test_the_memory_is_one_more_copy_whatever_the_number_of_nodes() -> None:
    given_ = {"train": Table(x=np.zeros((2_000, 1_000), np.float32), label=np.arange(2_000) % 10)}  # 8 MB
    for nodes in (2, 1_000):
        tracemalloc.start()
        dealt = split(given_, Dirichlet(), nodes, 0)
        held = [dealt.node(node) for node in range(nodes)]
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(held) == nodes
        assert peak < 10e6 + nodes * 2_000


def test_other_data_sets_are_dealt_as_subsets() -> None:
    rows = [{"text": str(row), "label": row % 3} for row in range(30)]
    dealt = split({"train": rows}, Dirichlet(), 3, 0)
    for node in range(3):
        part = dealt.node(node)["train"]
        assert isinstance(part, Subset)
        assert part.dataset is rows
        assert [int(row["text"]) for row in part] == dealt.indices["train"][node].tolist()


def test_train_and_test_are_skewed_alike() -> None:
    dealt = split(datasets(20_000, 4_000), Dirichlet(alpha=0.2), 8, 1)
    for node in range(8):
        train, test = (
            np.bincount(dealt.node(node)[name]["label"], minlength=10) for name in ("train", "test")
        )
        assert np.abs(train / train.sum() - test / test.sum()).max() < 0.05


def test_a_site_has_one_node_in_all_data_sets_and_may_lack_rows_in_some() -> None:
    given_ = {
        "train": Table(clinic=["a"] * 5 + ["b"] * 9 + ["c"] * 2),
        "test": Table(clinic=["c"] * 6 + ["a"] * 1 + ["d"] * 1),
    }
    dealt = split(given_, Natural("clinic"), 4, 0)
    assert dealt.names == ("b", "c", "a", "d")  # 9, 8, 6 and 1 rows in all
    assert [[len(dealt.node(node)[name]) for node in range(4)] for name in given_] == [
        [9, 2, 5, 0],
        [0, 6, 1, 1],
    ]
    for node, name in enumerate(dealt.names):
        assert {*dealt.node(node)["train"]["clinic"], *dealt.node(node)["test"]["clinic"]} == {name}


def test_random_partitions_leave_the_nodes_unnamed() -> None:
    assert split(datasets(), IID(), 2, 0).names is None


def test_a_split_can_be_read_at_a_glance() -> None:
    assert repr(split(datasets(), IID(), 4, 0)) == "Split(4 nodes: train 1,000 rows, test 200 rows)"


@pytest.mark.parametrize("rule", [Dirichlet("clinic"), Natural("clinic")])
def test_a_missing_column_names_the_data_set_and_what_it_has(rule: Partition) -> None:
    given_ = {"train": Table(x=[1, 2], clinic=["a", "b"]), "test": Table(x=[1, 2], clinics=["a", "b"])}
    with pytest.raises(
        DataError, match="data set `test`: there is no column `clinic`; it has `x`, `clinics`"
    ) as raised:
        split(given_, rule, 2, 0)
    assert raised.value.code == "data.unknown-column"
    assert raised.value.mend == "did you mean `clinics`?"


def test_too_few_rows_name_the_data_set() -> None:
    with pytest.raises(DataError, match="data set `test`: 5 rows can't give 10 nodes 1 each"):
        split(datasets(100, 5), Dirichlet(), 10, 0)


@pytest.mark.parametrize("wrong", [{"x": [1, 2]}, iter([1, 2]), None])
def test_what_has_no_rows_by_number_is_refused(wrong: object) -> None:
    with pytest.raises(DataError, match=f"data set `train` is a {type(wrong).__name__}") as raised:
        split({"train": wrong}, IID(), 1, 0)  # type: ignore[dict-item]
    assert "atoll.data.Table(train)" in raised.value.mend


@pytest.mark.parametrize("node", [-1, 4])
def test_a_node_that_is_not_there_is_refused(node: int) -> None:
    with pytest.raises(DataError, match=f"no node {node} of 4"):
        split(datasets(), IID(), 4, 0).node(node)


def test_there_must_be_a_node_to_split_for() -> None:
    with pytest.raises(DataError, match="nodes = 0"):
        split({}, IID(), 0, 0)


@dataclass(frozen=True)
class Own:
    """A partition of the user's own, right or wrong."""

    parts: tuple[tuple[int, ...], ...]

    def indices(self, dataset: object, nodes: int, seed: int) -> list[np.ndarray]:
        return [np.array(part, np.intp) for part in self.parts]

    def names(self, dataset: object, nodes: int) -> list[str]:
        return ["odd", "even"]


def test_a_partition_of_the_users_own_is_taken() -> None:
    dealt = split({"train": Table(x=[0, 1, 2])}, Own(((1,), (0, 2))), 2, 0)
    assert dealt.names == ("odd", "even")
    assert dealt.node(1)["train"]["x"].tolist() == [0, 2]


@pytest.mark.parametrize(
    "parts", [((1,), (0,)), ((0, 1), (1, 2)), ((0, 1, 1), ()), ((0, 1, 2),), ((0, 1), (3,)), ((0, 1), (-1,))]
)
def test_a_partition_that_breaks_its_promise_is_found_out(parts: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(DataError, match="data set `train`: Own dealt") as raised:
        split({"train": Table(x=[0, 1, 2])}, Own(parts), 2, 0)
    assert raised.value.code == "data.bad-partition"
