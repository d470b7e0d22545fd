"""One thread per client, everywhere, unless asked: numerics depend on how many threads share a sum.

Doesn't import a numerical library that isn't loaded already.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def environment(threads: int) -> dict[str, str]:
    """What a process is to be started with so that its libraries use so many threads."""
    return dict.fromkeys(VARIABLES, str(threads))


@contextmanager
def limited(threads: int) -> Iterator[None]:
    """Limit the numerical libraries of this process for a while; torch's threads too, once it is imported."""
    if all(
        os.environ.get(name) == str(threads) for name in VARIABLES[:3]
    ):  # they were, before they were loaded
        _limit_torch(threads)
        yield
        return
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=threads):
        _limit_torch(threads)
        yield


def _limit_torch(threads: int) -> None:
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
