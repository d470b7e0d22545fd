"""`--since`: how long ago, or when.

Doesn't know of what.
"""

from __future__ import annotations

import re
import time
from datetime import datetime

from atoll.values import ConfigError

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def since(text: str, now: float | None = None) -> float:
    """Seconds since 1970 of "10m", "14:30" (today), "2026-01-31" or "2026-01-31T14:30", local time unless it says. Raises `ConfigError`."""
    now = time.time() if now is None else now
    ago = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|m|min|h|d)", text.strip())
    if ago:
        return now - float(ago[1]) * _SECONDS[ago[2][0]]
    if re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", text.strip()):
        text = f"{datetime.fromtimestamp(now):%Y-%m-%d}T{text.strip():0>5}"
    try:
        return datetime.fromisoformat(text.strip()).timestamp()
    except ValueError:
        mend = "--since 10m, --since 14:30, or --since 2026-01-31T14:30"
        raise ConfigError("cli.usage", f"--since {text}: that is no time", mend) from None
