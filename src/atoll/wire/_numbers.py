"""Numbers that JSON has no words for: infinities, and what is no number. They travel by name beside the others.

Doesn't know what was measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from atoll.wire._daemon_messages import Good

Word: TypeAlias = Literal["nan", "inf", "-inf"]

_WORDS: dict[Word, float] = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def worded(metrics: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Word]]:
    """Metrics fit for JSON, and the words for those that are not: `Good(metrics=, special=)`."""
    odd = {n: _word(v) for n, v in metrics.items() if type(v) is float and not math.isfinite(v)}
    return ({n: 0.0 if n in odd else v for n, v in metrics.items()} if odd else dict(metrics)), odd


def metrics_of(good: Good) -> dict[str, Any]:
    """The metrics as they were before they travelled."""
    if not good.special:
        return good.metrics
    return {n: _WORDS[good.special[n]] if n in good.special else v for n, v in good.metrics.items()}


def _word(value: float) -> Word:
    return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
