"""Compares schedules in virtual time, on a fleet with heavy tails: seconds until a model is good; and how quick the clock itself is.

Does not know which schedule ought to win. Every figure of virtual time is the same again for the same seeds.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median
from typing import Any

import atoll
from _report import Report, arguments
from apps import clocked
from atoll.algorithms import FedBuff
from atoll.app import Watch

# a task: 5 s at the quickest, a tenth over 40 s, one in a hundred over 5 minutes; links of a megabit a second, or so
CLOCK = {
    "compute": {"by": "pareto", "minimum": 5, "alpha": 1.1},
    "jitter": {"by": "lognormal", "median": 1, "sigma": 0.3},
    "down": {"by": "lognormal", "median": "125 kB", "sigma": 1},
    "up": {"by": "lognormal", "median": "40 kB", "sigma": 1},
    "latency": {"by": "exponential", "mean": 0.1},
    "failure": 0.02,
    "notice": 10,
}
COHORT = 20
PARTITION = {"by": "dirichlet", "column": "label", "alpha": 0.3}


@dataclass(frozen=True)
class Way:
    """One way of asking nodes."""

    schedule: atoll.Schedule
    algorithm: Any = None


WAYS = {
    "all of 20": Way(atoll.Schedule(count=COHORT)),
    "20, deadline 30 s": Way(atoll.Schedule(count=COHORT, deadline=30.0)),
    "20 of 26 (over-selection)": Way(atoll.Schedule(count=COHORT, over=0.3)),
    "16 of 20 (quorum)": Way(atoll.Schedule(count=COHORT, quorum=0.8)),
    "FedBuff, 10 of 20": Way(atoll.Schedule(), FedBuff(buffer=10, concurrency=COHORT)),
}


class Answers(Watch):  # type: ignore[misc]
    """Counts what came back."""

    def __init__(self) -> None:
        self.good = 0

    def replied(self, round: int, reply: atoll.Reply) -> None:
        self.good += 1


def main() -> None:
    parser = arguments(__doc__.splitlines()[0], times=5)
    parser.add_argument("--nodes", type=int, default=100, help="that learn")
    parser.add_argument("--target", type=float, default=0.9, help="accuracy")
    parser.add_argument(
        "--many", type=int, default=5000, help="nodes that do nothing, for the pace of the clock"
    )
    options = parser.parse_args()
    report = Report("virtual_clock")
    first: float | None = None
    for name, way in WAYS.items():
        found = [_learnt(way, options, seed) for seed in range(options.times)]
        seconds, rounds, answers, real = (median(column) for column in zip(*found, strict=True))
        spread = f"{min(f[0] for f in found):,.0f} to {max(f[0] for f in found):,.0f} s"
        note = f"{spread}; {rounds:g} rounds, {answers:g} answers, {real:.1f} s for real"
        report.add(
            f"{name}: to {options.target:.0%}",
            seconds,
            "virtual s",
            *(("all of 20", first) if first else ()),
            note=note,
        )
        first = first or seconds
    _paces(report, options)
    report.details["setting"] = {**vars(options), "clock": CLOCK}
    report.show(as_json=options.json)


def _learnt(way: Way, options: Any, seed: int) -> tuple[float, int, int, float]:
    """Virtual seconds to the target, rounds, answers, and seconds."""
    watch, begun = Answers(), time.perf_counter()
    app = clocked.server(way.schedule, target=options.target, algorithm=way.algorithm)
    method = "FedBuff" if way.algorithm else "FedAvg"
    history = atoll.simulate(
        app, clocked.app, nodes=options.nodes, rounds=1000, config={"method": method}, data=clocked.data, partition=PARTITION,
        clock=CLOCK, seed=seed, watch=watch,
    )  # fmt: skip
    last = history.rounds()[-1]
    if last["accuracy"] < options.target:
        raise RuntimeError(
            f"{options.target:.0%} were not reached in {last['round']} rounds: {last['accuracy']:.1%}"
        )
    return last["virtual_time"], last["round"], watch.good, time.perf_counter() - begun


def _paces(report: Report, options: Any) -> None:
    """Answers that come through the clock in a real second, beside those of a simulation without one."""
    for name, schedule in (("all", atoll.Schedule()), ("half of them (quorum)", atoll.Schedule(quorum=0.5))):
        with_clock, without = [], []
        for _ in range(options.times):
            with_clock.append(_pace(schedule, options.many, clock=CLOCK))
            without.append(_pace(schedule, options.many, clock=None))
        rate, plain = median(w for w, _ in with_clock), median(w for w, _ in without)
        cpu = (median(c for _, c in with_clock) - median(c for _, c in without)) * 1e6
        label = f"{options.many:,} nodes that do nothing, {name}: events a second"
        report.add(label, rate, "/s", "without a clock", plain, note=f"{cpu:.0f} us of CPU more for each")


def _pace(schedule: atoll.Schedule, nodes: int, *, clock: Any) -> tuple[float, float]:
    """Answers a second, and seconds of CPU an answer."""
    watch, begun, spent = Answers(), time.perf_counter(), time.process_time()
    atoll.simulate(clocked.asking(schedule), clocked.app, nodes=nodes, rounds=4, clock=clock, watch=watch)
    return watch.good / (time.perf_counter() - begun), (time.process_time() - spent) / watch.good


if __name__ == "__main__":
    main()
