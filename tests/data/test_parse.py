"""A partition is read from configuration, and whatever is wrong in it is named."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import numpy as np
import pytest

from atoll.data import (
    IID,
    Dirichlet,
    FeatureSkew,
    Natural,
    Partition,
    Shards,
    SizeSkew,
    Vertical,
    describe_partition,
    parse_partition,
)
from atoll.data._subset import Dataset, IndexArray
from atoll.values import DataError


@pytest.mark.parametrize(
    ("text", "partition"),
    [
        ('{ by = "iid" }', IID()),
        ('{ by = "dirichlet" }', Dirichlet()),
        ('{ by = "dirichlet", column = "kind", alpha = 2, minimum = 5 }', Dirichlet("kind", 2, 5)),
        ('{ by = "natural", column = "clinic" }', Natural("clinic")),
        ('{ by = "shards" }', Shards()),
        ('{ by = "shards", column = "age", per_node = 1, minimum = 3 }', Shards("age", 1, 3)),
        ('{ by = "size-skew" }', SizeSkew()),
        ('{ by = "size-skew", law = "power", spread = 2, minimum = 3 }', SizeSkew("power", 2, 3)),
        ('{ by = "feature-skew", columns = "image" }', FeatureSkew("image")),
        ('{ by = "feature-skew", columns = ["age", "sex"], groups = 3 }', FeatureSkew(["age", "sex"], 3)),
        ('{ by = "vertical" }', Vertical()),
        (
            '{ by = "vertical", shared = ["id"], label = "y", sites = { bank = ["a"], shop = ["b", "c"] } }',
            Vertical({"bank": ["a"], "shop": ["b", "c"]}, ["id"], "y"),
        ),
    ],
)
def test_a_partition_is_read_from_toml_and_written_down(text: str, partition: Partition) -> None:
    assert parse_partition(tomllib.loads(f"partition = {text}")["partition"]) == partition
    written = describe_partition(partition)
    assert written is not None
    assert parse_partition(json.loads(json.dumps(written))) == partition


def test_numbers_of_numpy_are_written_down_as_plain_ones() -> None:
    written = describe_partition(Dirichlet("label", np.float64(0.5), np.int64(2)))  # type: ignore[arg-type]
    assert written == {"by": "dirichlet", "column": "label", "alpha": 0.5, "minimum": 2}
    assert {type(value) for value in written.values()} == {str, float, int}


def test_a_rule_of_ones_own_is_not_written_down() -> None:
    class Mine:
        def indices(self, dataset: Dataset, nodes: int, seed: int) -> list[IndexArray]:
            return IID().indices(dataset, nodes, seed)

        def names(self, dataset: Dataset, nodes: int) -> None:
            return None

    assert describe_partition(Mine()) is None


@pytest.mark.parametrize(
    ("mapping", "code", "message", "mend"),
    [
        ({}, "data.bad-partition", "says what it goes by", 'by = "iid"'),
        ("iid", "data.bad-partition", "says what it goes by", 'by = "iid"'),
        (
            {"by": "dirichlett"},
            "data.unknown-partition",
            "no partition by 'dirichlett'",
            "did you mean `dirichlet`?",
        ),
        (
            {"by": "zzz"},
            "data.unknown-partition",
            "iid, dirichlet, natural",
            "known partitions: dirichlet, feature-skew, iid, natural, shards, size-skew, vertical",
        ),
        ({"by": 3}, "data.unknown-partition", "no partition by 3", "known partitions"),
        ({"by": "dirichlet", "alhpa": 1.0}, "data.unknown-key", "has no `alhpa`", "did you mean `alpha`?"),
        (
            {"by": "iid", "column": "label"},
            "data.unknown-key",
            "`iid` has no `column`",
            "there are no keys of `iid`",
        ),
        ({"by": "natural"}, "data.bad-partition", "needs the column", 'column = "clinic"'),
        (
            {"by": "dirichlet", "alpha": "much"},
            "data.bad-type",
            "`alpha` of a partition is 'much'; it has to be of type float",
            "alpha = 0.5",
        ),
        ({"by": "dirichlet", "alpha": True}, "data.bad-type", "of type float", "alpha = 0.5"),
        ({"by": "dirichlet", "minimum": 1.5}, "data.bad-type", "of type int", "minimum = 1"),
        ({"by": "natural", "column": 3}, "data.bad-type", "of type str", 'column = "label"'),
        ({"by": "feature-skew"}, "data.bad-partition", "needs the columns", 'columns = ["age", "weight"]'),
        ({"by": "feature-skew", "columns": [1]}, "data.bad-type", "str, or a list of them", "columns = ["),
        ({"by": "vertical", "shared": "id"}, "data.bad-type", "list of str", 'shared = ["id"]'),
        ({"by": "vertical", "sites": {"a": "x"}}, "data.bad-type", "table of lists", "sites = {"),
        ({"by": "size-skew", "law": "zipf"}, "data.unknown-law", "no law 'zipf'", "known laws"),
        ({"by": "size-skew", "spread": -1}, "data.bad-spread", "spread = -1", "take 0"),
        ({"by": "shards", "per_node": 0}, "data.bad-shards", "per_node = 0", "1 or more"),
        ({"by": "feature-skew", "columns": []}, "data.bad-groups", "by 0 columns", "one column or more"),
        ({"by": "dirichlet", "alpha": 0}, "data.bad-alpha", "alpha = 0", "IID()"),
    ],
)
def test_what_is_wrong_in_a_partition_is_named(mapping: Any, code: str, message: str, mend: str) -> None:
    with pytest.raises(DataError) as raised:
        parse_partition(mapping)
    assert raised.value.code == code
    assert message in raised.value.message
    assert mend in raised.value.mend
