"""Numbers and times in words.

Doesn't know what they measure.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def age(then: float, now: float | None = None) -> str:
    """How long ago: "3 min ago"."""
    seconds = (time.time() if now is None else now) - then
    if seconds < 1:
        return "now"
    return next(f"{int(seconds // size)} {unit} ago" for size, unit in _UNITS if seconds >= size)


def span(seconds: float) -> str:
    """A duration: "0.42 s", "1:05", "2:00:00"."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    return clock(seconds)


def clock(seconds: float) -> str:
    """A duration to the second: "0:05", "2:00:00"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def until(seconds: float) -> str:
    """How long something is good: "for 6 d", "no longer"."""
    return next(
        (f"for {int(seconds // size)} {unit}" for size, unit in _UNITS if seconds >= size), "no longer"
    )


def size(nbytes: float) -> str:
    """Bytes: "12.3 MB"."""
    for unit in ("B", "kB", "MB", "GB"):
        if nbytes < 1000:
            return f"{nbytes:.0f} {unit}" if unit == "B" else f"{nbytes:.1f} {unit}"
        nbytes /= 1000
    return f"{nbytes:.1f} TB"


def number(value: Any) -> str:
    """A metric, shortly."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def count(n: int, what: str) -> str:
    """A number of things: "1 node", "3 nodes"."""
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def flat(config: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """A config's values by their paths: {"model.width": 3}."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        found.update(flat(value, f"{before}{key}.") if isinstance(value, Mapping) else {before + key: value})
    return found
