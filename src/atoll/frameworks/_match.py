"""Do named arrays fit a model: the same names, shapes and dtypes. All that doesn't is said at once.

Doesn't know what holds the model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np

from atoll.values import Array, ArraysError

Kind: TypeAlias = tuple[tuple[int, ...], np.dtype[Any]]  # shape and dtype

_SHOWN = 4


def must_match(wanted: Mapping[str, Kind], arrays: Mapping[str, Array], *, holder: str) -> None:
    """Refuse arrays that are not like a model's own.

    Raises `ArraysError` (`arrays.other-names`, `arrays.other-shape`, `arrays.other-dtype`).
    """
    if wanted.keys() != arrays.keys():
        raise _other_names(wanted, arrays, holder)
    wrong = [
        f"`{n}` is {arrays[n].shape}, not {kind[0]}"
        for n, kind in wanted.items()
        if arrays[n].shape != kind[0]
    ]
    if wrong:
        message = f"arrays of another shape than the {holder} has: {some(wrong, plain=True)}"
        raise ArraysError("arrays.other-shape", message, "build it as it was when the arrays were taken")
    wrong = [
        f"`{n}` is {arrays[n].dtype}, not {kind[1]}"
        for n, kind in wanted.items()
        if arrays[n].dtype != kind[1]
    ]
    if wrong:
        message = f"arrays of another dtype than the {holder} has: {some(wrong, plain=True)}"
        raise ArraysError(
            "arrays.other-dtype", message, "convert the one or the other; nothing is rounded silently"
        )


def some(names: Iterable[str], *, plain: bool = False) -> str:
    """The first few names, and how many more there are."""
    shown = [n if plain else f"`{n}`" for n in names]
    more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return ", ".join(shown[:_SHOWN]) + more


def _other_names(wanted: Mapping[str, Kind], arrays: Mapping[str, Array], holder: str) -> ArraysError:
    missing = [n for n in wanted if n not in arrays]
    unexpected = [n for n in arrays if n not in wanted]
    said = [f"missing {some(missing)}"] * bool(missing) + [f"unexpected {some(unexpected)}"] * bool(
        unexpected
    )
    return ArraysError(
        "arrays.other-names",
        f"the arrays are not those of the {holder}: {'; '.join(said)}",
        "take them with get_arrays from one that is built alike, with the same options",
    )
