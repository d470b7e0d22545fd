"""The coordinator's numbers, as Prometheus reads them.

Doesn't know where they come from. The format: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Mapping


def prometheus(readings: Mapping[str, float]) -> bytes:
    """The text format: counters are those whose names end in `_total`."""
    lines = []
    for name, value in readings.items():
        kind = "counter" if name.endswith("_total") else "gauge"
        lines += [f"# TYPE atoll_{name} {kind}", f"atoll_{name} {value:g}"]
    return ("\n".join(lines) + "\n").encode()
