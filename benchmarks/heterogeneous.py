"""Rounds to a target accuracy for every method, on digits dealt so that each node has few kinds of them.

Does not know why one is quicker; docs/design/methods.md says what is known. `--tune` searches the options that stand here.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from statistics import median
from typing import Any

import _skewed
import atoll
from _report import Report, arguments
from atoll import algorithms
from atoll.app import Watch
from atoll.data import Dirichlet

NODES, ASKED, EPOCHS, ALPHA = 20, 10, 5, 0.1
HOLDS = 3  # rounds in a row at the target: one alone is luck when half of the nodes are asked
TUNED_ON = (100, 101)  # seeds that are not reported


@dataclass(frozen=True)
class Entry:
    """A method, its options, and the nodes' learning rate. A server that steps more often has `steps` a round."""

    method: str
    lr: float
    options: Mapping[str, Any] = field(default_factory=dict)
    steps: int = 1
    at_most: float | None = None  # the known effect, as a part of FedAvg's rounds
    name: str = ""

    @property
    def shown(self) -> str:
        return self.name or self.method

    @property
    def said(self) -> str:
        shown = {"lr": self.lr, **{f"{self.method}.{n}": v for n, v in self.options.items()}}
        return ", ".join(f"{n}={v}" for n, v in shown.items())


ENTRIES = [
    Entry("FedAvg", 0.8),
    Entry("FedAvgM", 0.5, {"momentum": 0.5}),
    Entry("FedAdagrad", 0.3, {"lr": 0.1}),
    Entry("FedAdam", 0.3, {"lr": 0.03}, at_most=0.75),
    Entry("FedYogi", 0.3, {"lr": 0.03}),
    Entry("FedProx", 0.8, {"mu": 0.01}),
    Entry("Scaffold", 0.5, at_most=0.75),
    Entry("FedNova", 0.5),
    Entry("QFedAvg", 0.5, {"q": 0.1, "lr": 0.5}),
    Entry("FedDyn", 0.5, {"alpha": 0.03}, at_most=0.75),
    Entry("FedBuff", 0.5, {"buffer": 5, "concurrency": 10, "lr": 0.5}, steps=2),
]
GRID: dict[str, tuple[Sequence[float], Mapping[str, Sequence[float]]]] = {
    "FedAvg": ((0.3, 0.5, 0.8), {}),
    "FedAvgM": ((0.3, 0.5), {"momentum": (0.5, 0.8)}),
    "FedAdagrad": ((0.3,), {"lr": (0.03, 0.1), "tau": (1e-3, 1e-2)}),
    "FedAdam": ((0.3,), {"lr": (0.01, 0.03), "tau": (1e-3, 1e-2)}),
    "FedYogi": ((0.3,), {"lr": (0.01, 0.03), "tau": (1e-3, 1e-2)}),
    "FedProx": ((0.5, 0.8), {"mu": (0.01, 0.1)}),
    "Scaffold": ((0.3, 0.5), {}),
    "FedNova": ((0.3, 0.5), {}),
    "FedDyn": ((0.3, 0.5), {"alpha": (0.03, 0.1)}),
    "FedBuff": ((0.3, 0.5), {"lr": (0.5, 1.0)}),
}
PERSONAL = [
    Entry("FedAvg", 0.3),
    Entry("FedBN", 0.3, {"local": ["output.*"]}),
    Entry("Ditto", 0.3, {"lam": 0.1}),
    Entry("Ditto", 0.1, {"lam": 0.0}, name="each alone (Ditto without a spring)"),
    Entry("IFCA", 0.3, {"models": 3}),
]
HOME_ROUNDS = 20


def main() -> None:
    parser = arguments(__doc__.splitlines()[0], times=3)
    parser.add_argument("--rounds", type=int, default=60, help="at most (default: %(default)s)")
    parser.add_argument("--targets", type=float, nargs="+", default=[0.85, 0.89])
    parser.add_argument("--only", nargs="*", default=[], metavar="METHOD", help="and FedAvg (default: all)")
    parser.add_argument("--tune", action="store_true", help="search the options instead, on other seeds")
    options = parser.parse_args()
    if options.tune:
        tune(options.rounds, options.targets[0])
        return
    setting = {"nodes": NODES, "asked": ASKED, "epochs": EPOCHS, "alpha": ALPHA, **vars(options)}
    report = Report("heterogeneous", details={"setting": setting})
    wanted = {*options.only, "FedAvg"} if options.only else {e.method for e in [*ENTRIES, *PERSONAL]}
    entries = [e for e in ENTRIES if e.method in wanted]
    curves = {
        e.shown: [accuracies(e, s, options.rounds, max(options.targets)) for s in range(options.times)]
        for e in entries
    }
    for target, entry in itertools.product(options.targets, entries):
        bound = entry.at_most if target == min(options.targets) else None  # near the ceiling, luck decides
        add(report, replace(entry, at_most=bound), curves, target, options.rounds)
    for entry in (e for e in PERSONAL if e.method in wanted):
        found = median(at_home(entry, seed) for seed in range(options.times))
        report.add(f"at home: {entry.shown}", found, "", note=entry.said)
    report.show(as_json=options.json)


def add(
    report: Report, entry: Entry, curves: Mapping[str, Sequence[Sequence[float]]], target: float, most: int
) -> None:
    """One line: the median of the rounds it took, beside FedAvg's. Who didn't arrive counts as one round more than there were."""
    rows = [first_held(found, target, entry.steps) for found in curves[entry.shown]]
    rivals = [first_held(found, target, 1) for found in curves["FedAvg"]]
    value, other = (median(r or most + 1 for r in found) for found in (rows, rivals))
    each = ", ".join(str(r) if r else f"over {most}" for r in rows)
    beside: dict[str, Any] = {"against": "FedAvg", "other": other, "at_most": entry.at_most}
    own = entry.method == "FedAvg"
    report.add(
        f"{target:g}: {entry.shown}", value, "rounds", **({} if own else beside), note=f"{each}; {entry.said}"
    )


def reached(entry: Entry, seeds: Sequence[int], most: int, target: float) -> list[int | None]:
    """For each seed the first round from which the accuracy stays at the target; None if it never does."""
    return [first_held(accuracies(entry, seed, most, target), target, entry.steps) for seed in seeds]


def accuracies(entry: Entry, seed: int, most: int, target: float) -> list[float]:
    """The common model's accuracy on all test digits after each round, until it holds."""
    test, found = _skewed.data()["test"], []

    def evaluate(model: atoll.Arrays, round: int) -> dict[str, float]:
        found.append(_skewed.accuracy(model, test))
        return {"accuracy": found[-1]}

    def stop(rows: object) -> bool:
        return first_held(found, target, entry.steps) is not None

    simulated(entry, seed, rounds=most * entry.steps, evaluate=evaluate, stop=stop)
    return found


def first_held(found: Sequence[float], target: float, steps: int) -> int | None:
    each = found[steps - 1 :: steps]
    held = (i for i in range(len(each) - HOLDS + 1) if min(each[i : i + HOLDS]) >= target)
    first = next(held, None)
    return None if first is None else first + 1


def at_home(entry: Entry, seed: int, rounds: int = HOME_ROUNDS) -> float:
    """How nodes' own models do on their own test digits at the end, the mean by rows of all that are asked."""
    history = simulated(entry, seed, rounds=rounds, asked=NODES)
    return float(history.rounds()[-1]["train_local"])


def simulated(entry: Entry, seed: int, *, rounds: int, asked: int = ASKED, **options: Any) -> atoll.History:
    settings = dict(entry.options)
    if entry.method == "IFCA":
        settings = {
            "others": [atoll.Arrays(_skewed.begin(1000 * i + seed)) for i in range(1, settings["models"])]
        }
    made = getattr(algorithms, entry.method)(**settings)
    server = atoll.ServerApp()
    schedule = atoll.Schedule(count=asked)
    server.main(
        lambda fleet, ctx: atoll.fit(
            made, fleet, initial=_skewed.begin(seed), rounds=rounds, schedule=schedule, **options
        )
    )
    config = {"method": entry.method, "lr": entry.lr, "epochs": EPOCHS}
    return atoll.simulate(server, _skewed.client, nodes=NODES, seed=seed, config=config, data=_skewed.data(),
                          partition=Dirichlet(alpha=ALPHA), watch=Watch(), fail_fast=True)  # fmt: skip


def tune(most: int, target: float) -> None:
    """All options of the grid, the best last."""
    for method, (rates, grid) in GRID.items():
        given = next(e for e in ENTRIES if e.method == method)
        tried = [
            replace(given, lr=lr, options={**given.options, **dict(zip(grid, values, strict=True))})
            for values in itertools.product(*grid.values())
            for lr in rates
        ]
        score = partial(reached, seeds=TUNED_ON, most=most, target=target)
        scores = [(sum(r or most + 1 for r in score(entry)) / len(TUNED_ON), entry) for entry in tried]
        for mean, entry in sorted(scores, key=lambda pair: -pair[0]):
            print(f"{method:12} {mean:6.1f}  {entry.said}")


if __name__ == "__main__":
    sys.exit(main())
