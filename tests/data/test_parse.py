"""A partition is read from configuration, and whatever is wrong in it is named."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from atoll.data import IID, Dirichlet, Natural, Partition, parse_partition
from atoll.values import DataError


@pytest.mark.parametrize(
    ("text", "partition"),
    [
        ('{ by = "iid" }', IID()),
        ('{ by = "dirichlet" }', Dirichlet()),
        ('{ by = "dirichlet", column = "kind", alpha = 2, minimum = 5 }', Dirichlet("kind", 2, 5)),
        ('{ by = "natural", column = "clinic" }', Natural("clinic")),
    ],
)
def test_a_partition_is_read_from_toml(text: str, partition: Partition) -> None:
    assert parse_partition(tomllib.loads(f"partition = {text}")["partition"]) == partition


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
            "known partitions: dirichlet, iid, natural",
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
        ({"by": "dirichlet", "alpha": 0}, "data.bad-alpha", "alpha = 0", "IID()"),
    ],
)
def test_what_is_wrong_in_a_partition_is_named(mapping: Any, code: str, message: str, mend: str) -> None:
    with pytest.raises(DataError) as raised:
        parse_partition(mapping)
    assert raised.value.code == code
    assert message in raised.value.message
    assert mend in raised.value.mend
