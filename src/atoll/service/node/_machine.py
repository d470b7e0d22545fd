"""What this machine has, or the part of it that this process may use: CPUs, memory, GPUs.

Doesn't know what for. Limits of containers and services are control groups': https://docs.kernel.org/admin-guide/cgroup-v2.html
"""

from __future__ import annotations

import math
import os
from pathlib import Path

ROOT = Path("/")


def cpus(root: Path = ROOT) -> float:
    """How many, as far as the scheduler lets this process use them; at least one."""
    many = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _limit(root, "cpu.max")  # microseconds in each period of so many
    return max(1.0, min(float(many), quota[0] / quota[1])) if len(quota) == 2 else float(many)


def memory(root: Path = ROOT) -> float:
    """In bytes; infinite when the system doesn't tell."""
    whole = math.inf
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        whole = float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min([whole, *_limit(root, "memory.max")])


def gpus(root: Path = ROOT) -> int:
    """How many NVIDIA's driver shows."""
    folder = root / "proc/driver/nvidia/gpus"
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def _limit(root: Path, name: str) -> list[float]:
    """The numbers of this process's control group; none when it isn't limited."""
    try:
        (own,) = (line for line in (root / "proc/self/cgroup").read_text().splitlines() if line[:3] == "0::")
        return [float(word) for word in (root / "sys/fs/cgroup" / own[4:] / name).read_text().split()]
    except (OSError, ValueError):  # "max", or no such groups
        return []
