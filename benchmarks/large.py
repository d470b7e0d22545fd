"""Takes the peak memory and the time of rounds with a large model and clients that do nothing, beside Flower.

Does not know where the memory goes; `memray run` does. Memory is all that a process ever held, its imports included.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from _measure import Sample, once
from _report import Report, arguments

ME = Path(__file__)
PEER = ME.with_name("peers") / "flwr_large.py"


def main() -> None:
    parser = arguments(__doc__.splitlines()[0], times=1)
    parser.add_argument("--megabytes", type=int, default=100, help="the model, in ten arrays of float32")
    parser.add_argument("--cohorts", type=int, nargs="+", default=[10, 16, 34], help="clients a round")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--workers", type=int, default=0, help="also in a pool of so many; no bound")
    parser.add_argument("--no-peer", action="store_true", help="leave Flower out")
    parser.add_argument("--one", nargs=3, help="COHORT WORKERS DURABLE: measure that alone, in this process")
    options = parser.parse_args()
    if options.one:
        _one(options, *map(int, options.one))
    else:
        _all(options)


def _all(options: Any) -> None:
    report = Report("large")
    flower = None if options.no_peer else _flower(options)
    for workers in {0, options.workers}:
        for durable in (True, False):
            for cohort in options.cohorts:
                _add(report, options, flower, cohort, workers, durable)
    report.details = {"setting": vars(options), "flwr": flower}
    report.show(as_json=options.json)


def _add(report: Report, options: Any, flower: Any, cohort: int, workers: int, durable: bool) -> None:
    setting = [f"--{name}={getattr(options, name)}" for name in ("megabytes", "rounds")]
    command = [sys.executable, ME, *setting, "--one", str(cohort), str(workers), str(int(durable))]
    runs = [once(command, tree=0.1 if workers else 0) for _ in range(options.times)]
    bytes_ = max(_bytes(run, workers) for run in runs)
    seconds = sorted(run.document["steady"] for run in runs)[len(runs) // 2]
    where = f"pool of {workers}" if workers else "in-process"
    name = f"{where}, {'on disk' if durable else 'in memory'}, {cohort} clients"
    bound: dict[str, Any] = {} if workers else {"at_most": 4 if cohort <= 16 else 5}
    report.add(f"{name}: peak memory", bytes_ / 1e6, "MB", "the model", options.megabytes, **bound)
    here = flower if cohort == 10 else None
    name_of_peer = "Flower" if here else ""
    if here:
        report.add(
            f"{name}: peak memory",
            bytes_ / 1e6,
            "MB",
            name_of_peer,
            here["peak_bytes_of_all_processes"] / 1e6,
        )
    report.add(
        f"{name}: a round", seconds, "s", name_of_peer, here["seconds_a_round_steady"] if here else None
    )


def _bytes(run: Sample, workers: int) -> float:
    if workers:
        assert run.tree is not None
        return run.tree
    return run.rss


def _one(options: Any, cohort: int, workers: int, durable: int) -> None:
    from _rounds import simulate, steady
    from apps import noop

    app = noop.server(options.megabytes * 250_000, arrays=10)
    rounds = simulate(
        app, noop.app, durable=bool(durable), workers=workers, nodes=cohort, rounds=options.rounds
    ).seconds
    print(json.dumps({"steady": steady(rounds), "rounds": rounds}))


def _flower(options: Any) -> Any:
    from _peers import ensure, quiet

    print("Flower is measured", file=sys.stderr, flush=True)
    flags = [f"--megabytes={options.megabytes}", f"--rounds={options.rounds}", "--nodes=10"]
    return once([ensure("flwr"), PEER, *flags], env=quiet()).document


if __name__ == "__main__":
    main()
