"""Sizes as people write them: "4 GB", "512MiB".

Doesn't know what is measured.
"""

from __future__ import annotations

import re

_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,15})?)\s*([kmgt]?)(i?)b?")


def nbytes(text: str) -> int | None:
    """Bytes; None for what is no size. GB is 10^9 of them, GiB 2^30."""
    found = _SIZE.fullmatch(text.strip().lower())
    if found is None:
        return None
    power = "kmgt".index(found[2]) + 1 if found[2] else 0
    unit: int = (1024 if found[3] else 1000) ** power
    return int(float(found[1]) * unit)
