"""Times the robust rules on 20 replies of 10 M float32, each beside the same thing said plainly in numpy.

Does not know what a rule is good for. The plain forms are given a part of the elements, or the run would take minutes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from _report import Report, arguments
from atoll.algorithms import (
    Bulyan,
    CenteredClipping,
    CoordinateMedian,
    GeometricMedian,
    Krum,
    MultiKrum,
    NearestNeighborMixing,
    NormBounding,
    Rule,
    TrimmedMean,
    WeightedMean,
)
from atoll.values import Arrays

F = 4


def main() -> None:
    parser = arguments(__doc__.splitlines()[0], times=3)
    parser.add_argument("--replies", type=int, default=20)
    parser.add_argument("--elements", type=int, default=10_000_000, help="of each reply")
    options = parser.parse_args()
    report = Report("robust", details={"setting": vars(options)})
    rng = np.random.default_rng(0)
    rows = [rng.standard_normal(options.elements, dtype=np.float32) for _ in range(options.replies)]
    few = [row[: options.elements // 25] for row in rows]
    _median(report, rows, few, options.times)
    _others(report, rows, few, options.times)
    report.show(as_json=options.json)


@dataclass(frozen=True)
class _Given:
    """A reply, as far as a rule looks at it."""

    index: int
    arrays: Arrays
    weight: float = 1.0

    def __getitem__(self, name: str) -> Arrays:
        return self.arrays

    def folded(self) -> None:
        pass


def _median(report: Report, rows: Sequence[Any], few: Sequence[Any], times: int) -> None:
    work = {
        "ours": (_combine(CoordinateMedian(), rows), len(rows[0])),
        "np.median": (lambda: np.median(few, axis=0), len(few[0])),
        "np.partition": (lambda: np.partition(few, len(few) // 2, axis=0), len(few[0])),
    }
    found = _rates(work, times)
    for peer in ("np.median", "np.partition"):
        bound = {"at_least": 10.0, "by": "value"} if peer == "np.median" else {}
        report.add(
            "CoordinateMedian", found["ours"][0], "M/s", peer, found[peer][0], note=found["ours"][1], **bound
        )


def _others(report: Report, rows: Sequence[Any], few: Sequence[Any], times: int) -> None:
    plain: dict[str, Callable[[], object]] = {
        "np.sort, mean of the middle": lambda: np.sort(few, axis=0)[F:-F].mean(axis=0),
        "norms of all differences": lambda: [[np.linalg.norm(a - b) for a in few] for b in few],
        "np.mean": lambda: np.mean(few, axis=0),
    }
    sort, pairs, average = plain
    rules: list[tuple[Rule, str]] = [
        (TrimmedMean(f=F), sort),
        (Krum(f=F), pairs),
        (MultiKrum(f=F), pairs),
        (Bulyan(f=F), pairs),
        (NearestNeighborMixing(TrimmedMean(f=F), f=F), pairs),
        (GeometricMedian(iterations=8), average),
        (CenteredClipping(1.0, iterations=3), average),
        (NormBounding(1.0), average),
        (WeightedMean(), average),
    ]
    work = {str(type(rule).__name__): (_combine(rule, rows), len(rows[0])) for rule, _ in rules}
    found = _rates(work | {name: (call, len(few[0])) for name, call in plain.items()}, times)
    for rule, peer in rules:
        rate, note = found[type(rule).__name__]
        report.add(type(rule).__name__, rate, "M/s", peer, found[peer][0], note=note)


def _combine(rule: Rule, rows: Sequence[Any]) -> Callable[[], object]:
    around = Arrays(w=np.zeros_like(rows[0]))
    replies = [_Given(i, Arrays(w=row)) for i, row in enumerate(rows)]
    return lambda: rule.combine(replies, around=around)


def _rates(work: dict[str, tuple[Callable[[], object], int]], times: int) -> dict[str, tuple[float, str]]:
    """Million parameters a second of CPU, the median of runs in turns; and what it was by the clock, at best."""
    cpu: dict[str, list[float]] = {name: [] for name in work}
    wall: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(times):
        for name, (call, elements) in work.items():
            began, clock = time.process_time(), time.perf_counter()
            call()
            cpu[name].append(elements / (time.process_time() - began) / 1e6)
            wall[name].append(elements / (time.perf_counter() - clock) / 1e6)
    return {name: (median(cpu[name]), f"by the clock {max(wall[name]):.3g} at best") for name in work}


if __name__ == "__main__":
    main()
