"""One thread per client: told to the numerical libraries by the environment, before they are loaded.

Doesn't import them; the runtime limits them again, this only makes it cheap.
"""

from __future__ import annotations

import os

VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "PJRT_NPROC",
)


def limit_threads(words: list[str]) -> None:
    """Set the variables that nobody has set, to what the project in one of these words (or here) asks for."""
    folder = next((w for w in words if os.path.isfile(os.path.join(w, "pyproject.toml"))), ".")
    _set(_asked(folder))


def one_thread() -> None:
    """Set them to one: threads that a command doesn't need would be begun as numpy is loaded."""
    _set(1)


def _set(threads: int) -> None:
    for name in VARIABLES:
        os.environ.setdefault(name, str(threads))


def _asked(folder: str) -> int:
    import tomllib

    try:
        with open(os.path.join(folder, "pyproject.toml"), "rb") as file:
            threads = tomllib.load(file)["tool"]["atoll"]["simulation"]["threads"]
    except (OSError, ValueError, KeyError, TypeError):
        return 1
    return threads if type(threads) is int and threads > 0 else 1
