"""Reads a partition from configuration: `{ by = "dirichlet", column = "label", alpha = 0.5 }`; and writes it down.

Doesn't know where the mapping was written; whoever read it says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any, TypeAlias

import numpy as np

from atoll.data._features import FeatureSkew
from atoll.data._partition import IID, Dirichlet, Natural, Partition
from atoll.data._shards import Shards
from atoll.data._sizes import SizeSkew
from atoll.data._vertical import Vertical
from atoll.values import DataError, suggestion

_Known: TypeAlias = IID | Dirichlet | Natural | Shards | SizeSkew | FeatureSkew | Vertical
_KINDS: dict[str, type[_Known]] = {
    "iid": IID,
    "dirichlet": Dirichlet,
    "natural": Natural,
    "shards": Shards,
    "size-skew": SizeSkew,
    "feature-skew": FeatureSkew,
    "vertical": Vertical,
}
_EXAMPLES = {
    "alpha": "0.5",
    "column": '"label"',
    "columns": '["age", "weight"]',
    "groups": "10",
    "label": '"outcome"',
    "law": '"lognormal"',
    "minimum": "1",
    "per_node": "2",
    "shared": '["id"]',
    "sites": '{ bank = ["income"], shop = ["visits"] }',
    "spread": "1.0",
}
_NEEDED = {
    "natural": ("the column that holds the site", '"clinic"'),
    "feature-skew": ("the columns in which rows are alike", '["age", "weight"]'),
}


def parse_partition(mapping: Mapping[str, Any]) -> Partition:
    """The partition that a mapping describes: `by` names its kind, the other keys are its fields.

    Raises DataError: no `by`, an unknown kind or key (the nearest is named), a missing or wrongly typed
    value.
    """
    if not isinstance(mapping, Mapping) or "by" not in mapping:
        raise DataError(
            "data.bad-partition",
            f"a partition says what it goes by, and {mapping!r} doesn't",
            'for example { by = "iid" }',
        )
    kind = _KINDS.get(mapping["by"]) if isinstance(mapping["by"], str) else None
    if kind is None:
        raise DataError(
            "data.unknown-partition",
            f"there is no partition by {mapping['by']!r}; there are {', '.join(_KINDS)}",
            suggestion(str(mapping["by"]), _KINDS, what="partitions"),
        )
    values = {key: value for key, value in mapping.items() if key != "by"}
    _check(mapping["by"], kind, values)
    return kind(**values)


def describe_partition(partition: Partition) -> dict[str, Any] | None:
    """The mapping that `parse_partition` makes this partition of; None for a rule of the user's own."""
    for by, kind in _KINDS.items():
        if isinstance(partition, kind):
            told = {field.name: _plain(getattr(partition, field.name)) for field in fields(kind)}
            return {"by": by, **{key: value for key, value in told.items() if value is not None}}
    return None


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(held) for key, held in value.items()}
    if isinstance(value, np.generic):
        return value.item()
    return value if isinstance(value, str) or not isinstance(value, Sequence) else list(value)


def _check(by: str, kind: type[_Known], values: Mapping[str, Any]) -> None:
    known = {field.name: field for field in fields(kind)}
    for key, value in values.items():
        if key not in known:
            raise DataError(
                "data.unknown-key",
                f"a partition by `{by}` has no `{key}`",
                suggestion(key, known, what=f"keys of `{by}`"),
            )
        if not _is(value, str(known[key].type)):
            raise DataError(
                "data.bad-type",
                f"`{key}` of a partition is {value!r}; it has to be of type {_TOLD[str(known[key].type)]}",
                f"write {key} = {_EXAMPLES[key]}",
            )
    for key, field in known.items():
        if key not in values and field.default is MISSING:
            what, example = _NEEDED[by]
            raise DataError(
                "data.bad-partition", f"a partition by `{by}` needs {what}", f"add {key} = {example}"
            )


_TOLD = {
    "str": "str",
    "int": "int",
    "float": "float",
    "Sequence[str]": "list of str",
    "str | Sequence[str]": "str, or a list of them",
    "Mapping[str, Sequence[str]] | None": "table of lists of str",
}


def _is(value: Any, kind: str) -> bool:
    texts = isinstance(value, list | tuple) and all(isinstance(held, str) for held in value)
    match kind:
        case "str":
            return isinstance(value, str)
        case "int" | "float":
            return isinstance(value, int | float if kind == "float" else int) and not isinstance(value, bool)
        case "Sequence[str]":
            return texts
        case "str | Sequence[str]":
            return texts or isinstance(value, str)
    return isinstance(value, Mapping) and all(_is(held, "Sequence[str]") for held in value.values())
