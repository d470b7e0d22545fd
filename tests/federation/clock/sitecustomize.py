"""The clock of whoever has this folder on PYTHONPATH is off by so many seconds as ATOLL_TEST_SKEW says, and by what the file
ATOLL_TEST_LATER holds: time that has gone by without anybody waiting for it.

Doesn't touch the monotonic clock: nobody can set that one.
"""

import os
import time

_time, _time_ns = time.time, time.time_ns


def _off() -> float:
    """Asked each time: somebody may become another while they run (`typist`)."""
    skew, later = float(os.environ.get("ATOLL_TEST_SKEW", "0")), os.environ.get("ATOLL_TEST_LATER")
    if later and os.path.exists(later):
        with open(later) as file:
            skew += float(file.read())
    return skew


time.time = lambda: _time() + _off()
time.time_ns = lambda: _time_ns() + int(_off() * 1e9)
