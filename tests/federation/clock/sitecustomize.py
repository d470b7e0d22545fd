"""The clock of whoever has this folder on PYTHONPATH is off by so many seconds as ATOLL_TEST_SKEW says.

Doesn't touch the monotonic clock: nobody can set that one.
"""

import os
import time

_skew = float(os.environ.get("ATOLL_TEST_SKEW", "0"))
_time, _time_ns = time.time, time.time_ns
time.time = lambda: _time() + _skew
time.time_ns = lambda: _time_ns() + int(_skew * 1e9)
