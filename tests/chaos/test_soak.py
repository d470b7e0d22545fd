"""Long federations: what is held after some of the rounds is what is held at their end.

What must grow is the journal, by rows a round, and only it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from ordeal import Ordeal, children
from verdict import examine

from atoll.journal import Committed

EARLY, LATER = (
    6 << 20,
    2 << 20,
)  # bytes of anonymous memory, a process: in several hundred rounds SQLite's caches fill, 2 MB each
DESCRIPTOR_SLACK = 4  # connections that are just being made
THREAD_SLACK = 3  # pools that make a thread when one is asked for
DISK_SLACK = 256 << 10  # bytes of all homes but for the journal
ROW_BYTES = 6_000  # of the journal, a round: its rows of three calls and replies; their bodies go when it is committed
EMPTY = 256 << 10  # bytes of a journal of no rounds, its free pages among them
AHEAD = (
    6 << 20
)  # bytes that SQLite writes ahead before it moves them into the journal: 1,000 pages, and one transaction
SAMPLES = 5  # readings, at rounds one after the other, of which the middle counts


@dataclass
class Reading:
    """What one process holds."""

    memory: int
    descriptors: int
    threads: int


@dataclass
class Held:
    """What everybody holds: processes by what they are, bytes of disk of the journal, what is written
    ahead of it, and everything else."""

    processes: dict[str, Reading]
    journal: int
    ahead: int
    disk: int


def process(pid: int) -> Reading:
    """Out of /proc."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    memory = int(fields["RssAnon"].split()[0]) << 10
    return Reading(memory, len(os.listdir(f"/proc/{pid}/fd")), int(fields["Threads"]))


def held(ordeal: Ordeal) -> Held:
    """What everybody holds now."""
    processes = {}
    for name, daemon in ordeal.daemons.items():
        processes[name] = process(daemon.pid)
        for i, child in enumerate(sorted(children(daemon.pid))):
            processes[f"{name}/{i}"] = process(child)
    journal = ahead = disk = 0
    for home in ordeal.daemons:
        for path in ordeal.home(home).rglob("*"):
            try:
                size = path.lstat().st_size if path.is_file() else 0
            except FileNotFoundError:
                continue  # it was there a moment ago
            if path.name == "journal.db":
                journal += size
            elif path.name == "journal.db-wal":
                ahead += size
            else:
                disk += size
    return Held(processes, journal, ahead, disk)


def middle(readings: list[Held]) -> Held:
    """Of each figure the median."""

    def median(values: list[int]) -> int:
        return sorted(values)[len(values) // 2]

    names = set.intersection(*(set(r.processes) for r in readings))
    found = {}
    for name in sorted(names):
        some = [r.processes[name] for r in readings]
        found[name] = Reading(
            *(median([getattr(s, f) for s in some]) for f in ("memory", "descriptors", "threads"))
        )
    return Held(found, *(median([getattr(r, f) for r in readings]) for f in ("journal", "ahead", "disk")))


def around(ordeal: Ordeal, round: int) -> Held:
    """What is held in the rounds from this one on."""
    after, last, readings = 0, -1, []
    while len(readings) < SAMPLES:
        events, live = ordeal.events(after, wait=5)
        assert live or events, f"over before round {round}\n{ordeal.tails()}"
        after = events[-1][0] if events else after
        done = max([e.round for _, e in events if isinstance(e, Committed)], default=last)
        if done > last and done >= round:
            readings.append(held(ordeal))
        last = done
    return middle(readings)


@pytest.mark.parametrize(
    ("rounds", "begin", "slack"),
    [(60, 15, EARLY), pytest.param(2000, 1000, LATER, marks=pytest.mark.chaos)],
    ids=["short", "long"],
)
@pytest.mark.timeout(3600)
def test_nothing_grows_with_the_rounds(rounds: int, begin: int, slack: int, tmp_path: Path) -> None:
    with Ordeal(tmp_path / "federation", nodes=3) as ordeal:
        ordeal.begin(rounds=rounds, work=0.02)
        first = around(ordeal, begin)
        then = around(ordeal, rounds - SAMPLES - 3)
        report(first, then)
        examine(ordeal, rounds)

    assert set(first.processes) == set(then.processes)
    assert {f"node-{i}/0" for i in range(3)} | {"host/0"} <= set(then.processes)
    for name, one in then.processes.items():
        before = first.processes[name]
        assert one.memory - before.memory <= slack, f"memory of {name}"
        assert one.descriptors - before.descriptors <= DESCRIPTOR_SLACK, f"descriptors of {name}"
        assert one.threads - before.threads <= THREAD_SLACK, f"threads of {name}"
    assert then.disk - first.disk <= DISK_SLACK, "disk"
    assert then.ahead <= AHEAD, "what is written ahead of the journal"
    assert then.journal <= EMPTY + rounds * ROW_BYTES, "the journal"


def report(first: Held, then: Held) -> None:
    """The figures, for who wants to see them."""
    print(f"{'':16}{'memory KiB':>22}{'descriptors':>16}{'threads':>12}")
    for name, one in then.processes.items():
        before = first.processes.get(name, Reading(0, 0, 0))
        memory = f"{before.memory >> 10:,} > {one.memory >> 10:,}"
        descriptors = f"{before.descriptors} > {one.descriptors}"
        print(f"{name:16}{memory:>22}{descriptors:>16}{f'{before.threads} > {one.threads}':>12}")
    for what in ("journal", "ahead", "disk"):
        print(f"{what:16}{getattr(first, what):,} > {getattr(then, what):,} bytes")
