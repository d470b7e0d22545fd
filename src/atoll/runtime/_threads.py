"""One thread per client, everywhere, unless asked: numerics depend on how many threads share a sum.

Doesn't import a numerical library that isn't loaded already.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "PJRT_NPROC",  # read by jax
)


def environment(threads: int) -> dict[str, str]:
    """What a process is to be started with so that its libraries use so many threads."""
    return dict.fromkeys(VARIABLES, str(threads))


@contextmanager
def limited(threads: int) -> Iterator[None]:
    """Limit the numerical libraries of this process for a while; those of torch and tensorflow too, once they are imported.

    jax listens to its environment alone, and tensorflow to nobody once it has computed.
    """
    if all(
        os.environ.get(name) == str(threads) for name in VARIABLES[:3]
    ):  # they were, before they were loaded
        _limit_loaded(threads)
        yield
        return
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=threads):
        _limit_loaded(threads)
        yield


def _limit_loaded(threads: int) -> None:
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is not None:
        with suppress(RuntimeError):  # it has computed already
            tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
            tensorflow.config.threading.set_inter_op_parallelism_threads(threads)
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
