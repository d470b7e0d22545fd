"""What the last digits of a run depend on besides its app: versions of packages, and the machine.

Doesn't import what isn't loaded already: a package that an app doesn't use has no part in it.
"""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

import numpy as np

from atoll._version import __version__

COMPUTING = (
    "torch",
    "jax",
    "jaxlib",
    "tensorflow",
    "keras",
    "sklearn",
    "scipy",
    "xgboost",
    "lightning",
    "transformers",
    "peft",
)  # packages that may have a part in what an app computes


def versions() -> dict[str, str]:
    """Of atoll, Python, numpy, and of what is loaded to compute with."""
    loaded = {name: sys.modules[name] for name in COMPUTING if name in sys.modules}
    found = {name: str(getattr(module, "__version__", "")) for name, module in loaded.items()}
    return {"atoll": __version__, "python": platform.python_version(), "numpy": np.__version__, **found}


def machine(threads: int) -> dict[str, str]:
    """The operating system, the processor, what numpy multiplies matrices with, and the threads of a client."""
    found = {
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "processor": _processor(),
        "processors": str(os.cpu_count() or 1),
        "blas": _blas(),
        "threads": str(threads),
    }
    return {name: value for name, value in found.items() if value}


def _processor() -> str:
    """Its model's name; `platform.processor()` would start another process."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _blas() -> str:
    try:
        built = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
        return f"{built['name']} {built['version']}"
    except (KeyError, TypeError):  # a numpy that tells it otherwise
        return ""
