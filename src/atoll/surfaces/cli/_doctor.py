"""`atoll doctor`: whether this machine is fit, and what mends it where it isn't.

Doesn't import the frameworks: their versions are read from what is installed.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

from atoll._version import __version__
from atoll.surfaces.cli._home import home
from atoll.surfaces.cli._output import Output
from atoll.surfaces.cli._words import count, size

OK, WARN, BAD, ABSENT = "ok", "warn", "bad", "absent"
_LOOKS = {OK: ("ok", "green"), WARN: ("warn", "yellow"), BAD: ("BAD", "red"), ABSENT: ("-", "dim")}
_NEEDED = ("numpy", "msgspec", "ml-dtypes", "rich", "threadpoolctl")
_EXTRAS = {
    "torch": "torch",
    "pandas": "pandas",
    "polars": "polars",
    "matplotlib": "plot",
    "scikit-learn": "samples",
}
_RELEASED = 1_767_225_600  # 2026-01-01: no clock is right that shows less
_GB = 1_000_000_000


class Check(NamedTuple):
    """One thing that was looked at."""

    name: str
    verdict: str
    found: str
    mend: str = ""


def doctor(values: Namespace, out: Output) -> int:
    """Look at everything; exit 5 when something is bad."""
    checks = [*_python(), *_packages(), *_home_checks(), *_machine(), _clock()]
    fit = all(c.verdict != BAD for c in checks)
    out.document("atoll.doctor/1", {"fit": fit, "checks": [c._asdict() for c in checks]})
    width = max(len(c.name) for c in checks)
    for c in checks:
        word, colour = _LOOKS[c.verdict]
        out.line(f"{out.paint(word.ljust(4), colour)}  {c.name.ljust(width)}  {c.found}")
        if c.mend and c.verdict != OK:
            out.line(f"      {' ' * width}  {out.paint(c.mend, 'dim')}")
    out.line()
    out.line(
        out.paint("this machine is fit", "green") if fit else out.paint("this machine is not fit", "red")
    )
    return 0 if fit else 5


def _python() -> Iterator[Check]:
    new_enough = sys.version_info >= (3, 11)
    yield Check(
        "python",
        OK if new_enough else BAD,
        f"{platform.python_version()} ({sys.executable})",
        "install Python 3.11 or newer",
    )
    yield Check("atoll", OK, __version__)


def _packages() -> Iterator[Check]:
    for package in _NEEDED:
        found = _version(package)
        yield Check(package, OK if found else BAD, found or "missing", f"pip install {package}")
    for package, extra in _EXTRAS.items():
        found = _version(package)
        yield Check(
            package,
            OK if found else ABSENT,
            found or "not installed",
            f"if you need it: pip install 'atoll[{extra}]'",
        )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _home_checks() -> Iterator[Check]:
    folder = Path(home())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".doctor-{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        yield Check(
            "home",
            BAD,
            f"{folder}: {error.strerror or error}",
            "set ATOLL_HOME to a folder that you can write to",
        )
        return
    yield Check("home", OK, str(folder))
    free = shutil.disk_usage(folder).free
    verdict = OK if free > 5 * _GB else WARN if free > _GB // 2 else BAD
    yield Check(
        "disk",
        verdict,
        f"{size(free)} free",
        "make space: `atoll ls`, then `atoll rm` the runs you don't need",
    )


def _machine() -> Iterator[Check]:
    from atoll.runtime import processors

    yield Check("processors", OK, count(processors(), "processor"))
    total, free = _memory()
    if total:
        verdict = OK if free > _GB else WARN
        yield Check(
            "memory",
            verdict,
            f"{size(total)}, {size(free)} of it free",
            "end other programs, or run with --workers 0",
        )
    shared = Path("/dev/shm")
    if shared.is_dir():
        room = shutil.disk_usage(shared).free
        mend = "give it more (docker run --shm-size=4g), or run with --workers 0"
        yield Check("shared memory", OK if room > _GB else WARN, f"{size(room)} free in {shared}", mend)


def _memory() -> tuple[int, int]:
    """Bytes in all and free; zeros where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return 0, 0
    values = {
        name: int(rest.split()[0]) * 1024
        for name, _, rest in (line.partition(":") for line in lines)
        if rest.split()
    }
    return values.get("MemTotal", 0), values.get("MemAvailable", 0)


def _clock() -> Check:
    now = time.time()
    shown = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    return Check(
        "clock", OK if now > _RELEASED else BAD, shown, "set the clock: it is behind this version's release"
    )
