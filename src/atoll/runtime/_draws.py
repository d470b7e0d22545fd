"""Distributions that a fleet's speeds are drawn from, and how a project file writes them.

Doesn't know what is drawn. Each is its own inverse distribution function, so that one number between 0 and 1, made from
a seed and a place, is one draw: the same whoever draws, and in whatever order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from statistics import NormalDist
from typing import Any, TypeAlias

from atoll.values import ConfigError, nbytes, suggestion

_NORMAL = NormalDist()


@dataclass(frozen=True)
class Constant:
    """Always the same.

    `at(share)` of a distribution is the value below which this share (over 0, under 1) of all draws lies; `bounds` are the least and the
    largest that can be drawn.
    """

    value: float

    def at(self, share: float) -> float:
        return self.value

    @property
    def bounds(self) -> tuple[float, float]:
        return self.value, self.value


@dataclass(frozen=True)
class Uniform:
    """Anything from `low` to `high`, all alike."""

    low: float
    high: float

    def at(self, share: float) -> float:
        return self.low + (self.high - self.low) * share

    @property
    def bounds(self) -> tuple[float, float]:
        return self.low, self.high


@dataclass(frozen=True)
class Exponential:
    """Waiting times: many short ones, few that are several times the `mean`."""

    mean: float

    def at(self, share: float) -> float:
        return -self.mean * math.log1p(-share)

    @property
    def bounds(self) -> tuple[float, float]:
        return 0.0, math.inf


@dataclass(frozen=True)
class LogNormal:
    """`median` times e to the power of a normal number of deviation `sigma`: sigma 1 puts 5 % above five medians."""

    median: float
    sigma: float

    def at(self, share: float) -> float:
        return self.median * math.exp(self.sigma * _NORMAL.inv_cdf(share))

    @property
    def bounds(self) -> tuple[float, float]:
        return 0.0, math.inf


@dataclass(frozen=True)
class Pareto:
    """Heavy tails: a share (minimum / x)^alpha lies above x. At `alpha` up to 2 the variance is infinite."""

    minimum: float
    alpha: float

    def at(self, share: float) -> float:
        return float(self.minimum * (1.0 - share) ** (-1.0 / self.alpha))

    @property
    def bounds(self) -> tuple[float, float]:
        return self.minimum, math.inf


Drawn: TypeAlias = Constant | Uniform | Exponential | LogNormal | Pareto
_KINDS: dict[str, type[Drawn]] = {
    "constant": Constant,
    "uniform": Uniform,
    "exponential": Exponential,
    "lognormal": LogNormal,
    "pareto": Pareto,
}
_EXAMPLES = {
    "constant": "value = 2",
    "uniform": "low = 1, high = 3",
    "exponential": "mean = 2",
    "lognormal": "median = 2, sigma = 1",
    "pareto": "minimum = 1, alpha = 1.5",
}


def parse_draw(
    value: Any, what: str, *, size: bool = False, least: float = 0.0, most: float = math.inf
) -> Drawn:
    """A number, or `{ by = "pareto", minimum = 1, alpha = 1.5 }`; with `size` also a text such as "10 MB".

    Raises `ConfigError` (`clock.invalid`) for anything else, and for what could draw a number under `least` or over `most`.
    """
    if isinstance(value, Mapping):
        drawn = _parsed(value, what, size)
    elif isinstance(value, Constant | Uniform | Exponential | LogNormal | Pareto):
        drawn = _parsed(plain_draw(value), what, size)
    else:
        drawn = Constant(number(value, what, size=size))
    low, high = drawn.bounds
    if low < least or (size and low <= 0 and isinstance(drawn, Constant | Uniform)) or high > most:
        reach = (
            "over 0" if size else f"{least:g} or more" if most == math.inf else f"from {least:g} to {most:g}"
        )
        raise ConfigError(
            "clock.invalid",
            f"the clock's {what} is {reach}, and this may be others: {value!r}",
            f"{what} = 1",
        )
    return drawn


def plain_draw(drawn: Drawn) -> dict[str, Any]:
    """As a project file writes it."""
    return {"by": type(drawn).__name__.lower(), **asdict(drawn)}


def number(value: Any, what: str, *, size: bool = False) -> float:
    """A finite number, or a size in words. Raises `ConfigError` (`clock.invalid`)."""
    found = nbytes(value) if size and isinstance(value, str) else value
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        mend = (
            f'{what} = "10 MB"'
            if size
            else f'{what} = 2.5, or {{ by = "lognormal", median = 2.5, sigma = 1 }}'
        )
        raise ConfigError("clock.invalid", f"the clock's {what} can't be {value!r:.80}", mend)
    return float(found)


def _parsed(table: Mapping[str, Any], what: str, size: bool) -> Drawn:
    by = table.get("by")
    kind = _KINDS.get(by) if isinstance(by, str) else None
    if kind is None or not isinstance(by, str):
        mend = (
            suggestion(str(by), _KINDS, what="distributions")
            if by is not None
            else f'{what} = {{ by = "lognormal", median = 2, sigma = 1 }}'
        )
        raise ConfigError(
            "clock.invalid", f"the clock's {what} goes by one of {', '.join(_KINDS)}, not {by!r}", mend
        )
    keys = [f.name for f in fields(kind)]
    given = [k for k in table if k != "by"]
    if sorted(given) != sorted(keys):
        mend = f'{what} = {{ by = "{by}", {_EXAMPLES[by]} }}'
        raise ConfigError(
            "clock.invalid",
            f"the clock's {what} by {by} has {' and '.join(keys)}, not {' and '.join(given) or 'nothing'}",
            mend,
        )
    scales = {"median", "mean", "minimum", "low", "high", "value"}
    numbers = {k: number(table[k], f"{what}.{k}", size=size and k in scales) for k in keys}
    _judge(by, numbers, what)
    return kind(**numbers)


def _judge(by: str, numbers: Mapping[str, float], what: str) -> None:
    """Whether these numbers make a distribution."""
    if by == "uniform" and not numbers["low"] <= numbers["high"]:
        raise ConfigError(
            "clock.invalid", f"the clock's {what} has low over high", f"{what}.low = {numbers['high']:g}"
        )
    above = {"exponential": ("mean",), "lognormal": ("median",), "pareto": ("minimum", "alpha")}.get(by, ())
    for key in above:
        if not numbers[key] > 0:
            raise ConfigError(
                "clock.invalid", f"the clock's {what}.{key} is over 0, not {numbers[key]:g}", _EXAMPLES[by]
            )
    if by == "lognormal" and not 0 <= numbers["sigma"] <= 20:
        message = f"the clock's {what}.sigma is from 0 to 20, not {numbers['sigma']:g}"
        raise ConfigError("clock.invalid", message, _EXAMPLES[by])
    if by == "pareto" and numbers["alpha"] < 0.1:
        message = f"the clock's {what}.alpha is 0.1 or more, not {numbers['alpha']:g}"
        raise ConfigError("clock.invalid", message, _EXAMPLES[by])
