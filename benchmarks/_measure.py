"""Runs commands and functions several times, in turns: wall time, CPU, and the memory of whole process trees.

Does not know what is measured, nor what is good: `_report.py` weighs a figure against its peer and its bound.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Command = Sequence[str | os.PathLike[str]]


@dataclass(frozen=True)
class Sample:
    """One run of a command. CPU is of the process and the children it waited for; `rss` is the largest single
    process among them; `tree` is the peak of the whole process tree together (proportional: shared pages once).
    """

    wall: float
    cpu: float
    rss: float
    code: int
    stdout: str
    stderr: str
    tree: float | None = None

    @property
    def document(self) -> Any:
        """The last line of stdout, read as JSON."""
        return json.loads(self.stdout.strip().splitlines()[-1])


def once(
    command: Command,
    *,
    env: Mapping[str, str] | None = None,
    cwd: str | Path | None = None,
    tree: float = 0.0,
) -> Sample:
    """Runs a command to its end. `env` is laid over this process's own. `tree` is the seconds between looks
    at the memory of its process tree (0: none; a look at gigabytes takes tens of milliseconds of the command's
    time). A command that fails raises RuntimeError."""
    whole = {**os.environ, **(env or {})}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.perf_counter()
        child = subprocess.Popen(
            list(command), env=whole, cwd=cwd, stdout=out, stderr=err, stdin=subprocess.DEVNULL
        )
        with watch(child.pid, every=tree) if tree else _nobody() as peak:
            _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        texts = [_text(stream) for stream in (out, err)]
    if child.returncode != 0:
        raise RuntimeError(f"{_shown(command)} ended with {child.returncode}:\n{texts[1][-4000:]}")
    unit = 1 if sys.platform == "darwin" else 1024
    cpu = usage.ru_utime + usage.ru_stime
    return Sample(
        wall, cpu, usage.ru_maxrss * unit, child.returncode, *texts, tree=peak.pss if tree else None
    )


def repeat(command: Command, *, times: int = 5, warm: int = 1, **how: Any) -> list[Sample]:
    """Runs a command `warm` times unmeasured, then `times` times."""
    return interleave({"it": command}, times=times, warm=warm, **how)["it"]


def interleave(
    commands: Mapping[str, Command], *, times: int = 5, warm: int = 1, **how: Any
) -> dict[str, list[Sample]]:
    """Runs commands in turns (A B B A A B ...), so that a machine that slows down slows all of them."""
    return _in_turns(
        {name: lambda command=command: once(command, **how) for name, command in commands.items()},
        times,
        warm,
    )


def interleave_calls(
    functions: Mapping[str, Callable[[], object]], *, times: int = 5, warm: int = 1
) -> dict[str, list[float]]:
    """Calls functions in turns in this process; gives the seconds of each call."""
    return _in_turns(
        {name: lambda call=call: _seconds(call) for name, call in functions.items()}, times, warm
    )


def together(commands: Sequence[Command], **how: Any) -> tuple[float, list[Sample]]:
    """Runs commands at the same time; gives the seconds until the last ended, and each run."""
    start = time.perf_counter()
    with ThreadPoolExecutor(len(commands)) as pool:
        samples = list(pool.map(lambda command: once(command, **how), commands))
    return time.perf_counter() - start, samples


def median(samples: Sequence[Sample], what: str = "wall") -> float:
    """The median of one field of several runs."""
    return statistics.median(getattr(sample, what) for sample in samples)


def _in_turns(calls: Mapping[str, Callable[[], Any]], times: int, warm: int) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {name: [] for name in calls}
    for turn in range(warm + times):
        names = list(calls) if turn % 2 == 0 else list(reversed(calls))
        for name in names:
            result = calls[name]()
            if turn >= warm:
                found[name].append(result)
    return found


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _text(stream: Any) -> str:
    stream.seek(0)
    return stream.read().decode(errors="replace")


def _shown(command: Command) -> str:
    return " ".join(str(part) for part in command)


@dataclass
class Peak:
    """The most memory that a process tree held at once, in bytes, seen so far."""

    pss: float = 0.0  # shared pages divided among those who share them: the honest sum
    rss: float = 0.0  # shared pages counted in each process
    processes: int = 0


@contextmanager
def watch(pid: int, *, every: float = 0.05) -> Iterator[Peak]:
    """Samples the memory of a process and its descendants until the block ends (Linux: it reads /proc).

    A descendant stays watched when its parent dies. A peak shorter than `every` seconds may be missed.
    """
    peak, known, done = Peak(), {pid}, threading.Event()

    def sample() -> None:
        while True:
            _sample(known, peak)
            if done.wait(every):
                return

    watcher = threading.Thread(target=sample, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


@contextmanager
def _nobody() -> Iterator[Peak]:
    yield Peak()


def _sample(known: set[int], peak: Peak) -> None:
    known |= _descendants(known)
    sizes = [size for size in (_memory(pid) for pid in known) if size is not None]
    peak.pss = max(peak.pss, sum(pss for _, pss in sizes))
    peak.rss = max(peak.rss, sum(rss for rss, _ in sizes))
    peak.processes = max(peak.processes, len(sizes))


def _descendants(known: set[int]) -> set[int]:
    parents = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int(
                    Path(entry.path, "stat").read_text().rpartition(")")[2].split()[1]
                )
            except OSError:
                continue  # it ended meanwhile
    found: set[int] = set()
    while more := {pid for pid, parent in parents.items() if parent in known | found} - found:
        found |= more
    return found


def _memory(pid: int) -> tuple[int, int] | None:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except OSError:
        return None
    sizes = {name: int(rest.split()[0]) * 1024 for name, _, rest in (line.partition(":") for line in lines)}
    return sizes.get("Rss", 0), sizes.get("Pss", 0)
