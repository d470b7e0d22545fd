"""Reads a partition from configuration: `{ by = "dirichlet", column = "label", alpha = 0.5 }`.

Doesn't know where the mapping was written; whoever read it says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from atoll.data._partition import IID, Dirichlet, Natural, Partition
from atoll.values import DataError, suggestion

_KINDS: dict[str, type[IID | Dirichlet | Natural]] = {"iid": IID, "dirichlet": Dirichlet, "natural": Natural}
_TYPES: dict[str, tuple[type, ...]] = {"str": (str,), "float": (float, int), "int": (int,)}


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


def _check(by: str, kind: type[IID | Dirichlet | Natural], values: Mapping[str, Any]) -> None:
    types = {field.name: str(field.type) for field in fields(kind)}
    for key, value in values.items():
        if key not in types:
            raise DataError(
                "data.unknown-key",
                f"a partition by `{by}` has no `{key}`",
                suggestion(key, types, what=f"keys of `{by}`"),
            )
        if isinstance(value, bool) or not isinstance(value, _TYPES[types[key]]):
            raise DataError(
                "data.bad-type",
                f"`{key}` of a partition is {value!r}; it has to be of type {types[key]}",
                f"write {key} = {_example(key)}",
            )
    if kind is Natural and "column" not in values:
        raise DataError(
            "data.bad-partition",
            "a partition by `natural` needs the column that holds the site",
            'add column = "clinic"',
        )


def _example(key: str) -> str:
    return {"column": '"label"', "alpha": "0.5", "minimum": "1"}[key]
