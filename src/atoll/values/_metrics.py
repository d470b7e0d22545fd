"""Metrics: the named scalars that a client or a round reports.

Doesn't know how they are averaged or shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from atoll.values._errors import AtollError
from atoll.values._names import is_text

Scalar: TypeAlias = float | int | bool | str

MAX_METRICS = 4096
MAX_NAME = 256
MAX_TEXT = 4096
MAX_INT = (1 << 63) - 1  # what 64 bits hold, everywhere


class Metrics(Mapping[str, Scalar]):
    """An immutable mapping from a name to a number, a truth value or a short text.

    Numpy and torch scalars (anything with `.item()`) become plain Python ones.

    Raises `AtollError` (`metrics.bad-value`, `metrics.too-many`) for anything else.
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, object] | None = None) -> None:
        if values is not None and len(values) > MAX_METRICS:
            raise AtollError(
                "metrics.too-many",
                f"{len(values)} metrics in one reply, the limit is {MAX_METRICS}",
                "return large results as arrays: atoll.Update({'result': arrays})",
            )
        self._values: dict[str, Scalar] = {n: _scalar(n, v) for n, v in values.items()} if values else {}

    def __getitem__(self, name: str) -> Scalar:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Metrics({self._values})"

    def numbers(self) -> dict[str, float]:
        """Those that can be averaged."""
        return {n: float(v) for n, v in self._values.items() if not isinstance(v, str)}

    def plain(self) -> dict[str, Scalar]:
        """A fresh plain dictionary, ready to be written as JSON."""
        return dict(self._values)


def _scalar(name: object, value: object) -> Scalar:
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME or not is_text(name):
        raise AtollError(
            "metrics.bad-name", f"a metric's name is a text of 1 to {MAX_NAME} characters, not {name!r:.80}"
        )
    if type(value) in (float, bool):
        return value  # type: ignore[return-value]  # `type(...) in` narrows nothing for mypy
    if isinstance(value, str) and len(value) <= MAX_TEXT and is_text(value):
        return str(value)
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "shape", None) == ():  # numpy's and torch's scalars
        return _scalar(name, item())
    if isinstance(value, float):  # numpy's float64 is a subclass of Python's
        return float(value)
    if isinstance(value, int) and -MAX_INT <= value <= MAX_INT:
        return int(value)
    raise AtollError(
        "metrics.bad-value",
        f"metric `{name}` is a {type(value).__name__}; a metric is one number of up to 64 bits, truth value or text up to {MAX_TEXT} characters",
        "take .item() of a tensor, .mean() of an array, or return arrays: atoll.Update({'result': arrays})",
    )
