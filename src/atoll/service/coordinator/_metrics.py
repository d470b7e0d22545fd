"""The coordinator's numbers, as Prometheus reads them.

Doesn't know where they come from. The format: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Mapping

from atoll._version import __version__


class Counts:
    """What the door has done: requests by method, route and status, and the seconds of those that didn't wait for anything."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._seconds: Counter[str] = Counter()
        self.under_way = 0

    def count(self, method: str, route: str, status: int) -> None:
        """A request was answered."""
        self._requests[method, route, status] += 1

    def lines(self) -> list[str]:
        """In the text format."""
        found = ["# TYPE atoll_requests_total counter"]
        for (method, route, status), number in sorted(self._requests.items()):
            labels = f'method="{method}",route="{route}",status="{status}"'
            found.append(f"atoll_requests_total{{{labels}}} {number}")
        return [*found, "# TYPE atoll_requests_under_way gauge", f"atoll_requests_under_way {self.under_way}"]


def prometheus(readings: Mapping[str, float], counts: Counts) -> bytes:
    """The text format: counters are those whose names end in `_total`."""
    lines = ["# TYPE atoll_info gauge", f'atoll_info{{version="{__version__}"}} 1']
    for name, value in (*((f"atoll_{n}", v) for n, v in readings.items()), *_process().items()):
        kind = "counter" if name.endswith("_total") else "gauge"
        lines += [f"# TYPE {name} {kind}", f"{name} {value:.15g}"]
    return ("\n".join([*lines, *counts.lines()]) + "\n").encode()


def _process() -> dict[str, float]:
    """As Prometheus's own clients name them; memory and files where the system tells."""
    found = {"process_cpu_seconds_total": time.process_time(), "process_start_time_seconds": _BEGAN}
    if sys.platform == "linux":
        with open("/proc/self/statm", encoding="ascii") as file:
            pages = int(file.read().split()[1])
        found["process_resident_memory_bytes"] = pages * os.sysconf("SC_PAGE_SIZE")
        found["process_open_fds"] = len(os.listdir("/proc/self/fd"))
    return found


_BEGAN = time.time()
