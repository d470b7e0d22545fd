"""Times clients that do nothing with a small model: what the framework itself costs, beside Flower.

Does not know why: `py-spy record` does.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

import atoll
from _measure import once
from _report import Report, arguments
from _rounds import RoundEnds, simulate
from apps import noop

PEER = Path(__file__).with_name("peers") / "flwr_noop.py"


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=100, help="a round, all of them")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--floats", type=int, default=1000)
    parser.add_argument("--no-peer", action="store_true", help="leave Flower out")
    options = parser.parse_args()
    report = Report("noop")
    peer = [] if options.no_peer else [_flower(options)]
    kinds = [(workers, durable) for workers in (0, 2) for durable in (True, False)]
    found: dict[tuple[int, bool], list[RoundEnds]] = {kind: [] for kind in kinds}
    for turn in range(options.times):
        for kind in kinds if turn % 2 == 0 else reversed(kinds):
            found[kind].append(_run(*kind, options))
    peer += [] if options.no_peer else [_flower(options)]
    flower = max((p["clients_per_second_steady"] for p in peer), default=None)  # its better run
    alone = _alone(options.floats)
    for (workers, durable), runs in found.items():
        _add(report, workers, durable, runs, options.clients, flower, alone)
    report.details = {"setting": vars(options), "flwr": peer}
    report.show(as_json=options.json)


def _run(workers: int, durable: bool, options: Any) -> RoundEnds:
    app = noop.server(options.floats)
    return simulate(
        app, noop.app, durable=durable, workers=workers, nodes=options.clients, rounds=options.rounds
    )


def _add(
    report: Report,
    workers: int,
    durable: bool,
    runs: list[RoundEnds],
    clients: int,
    flower: float | None,
    alone: float,
) -> None:
    """The rounds of all runs in steady state: without the first of each, which starts the fleet."""
    wall = [seconds / clients for run in runs for seconds in run.seconds[1:]]
    cpu = [seconds / clients for run in runs for seconds in run.cpu[1:]]
    where = f"pool of {workers}" if workers else "in-process"
    name = f"{where}, {'on disk' if durable else 'in memory'}"
    middle, least, spent = statistics.median(wall), min(wall), statistics.median(cpu)
    report.add(
        f"{name}: clients a second", 1 / middle, "/s", "Flower, 2 actors" if flower else "", flower,
        at_least=20 if workers else 100,
    )  # fmt: skip
    note = f"least {least * 1e6:.1f} us; CPU of the program's process {spent * 1e6:.1f} us"
    bound: dict[str, Any] = {} if workers else {"at_most": 50, "by": "difference"}
    report.add(f"{name}: a client", middle * 1e6, "us", "its function alone", alone * 1e6, note=note, **bound)


def _alone(floats: int) -> float:
    """The client function in a plain loop, seconds a call."""
    model = atoll.Arrays(w0=np.random.default_rng(0).standard_normal(floats, dtype=np.float32))
    ctx: Any = SimpleNamespace(seed=7)
    times = []
    for _ in range(50):
        start = time.perf_counter()
        for _ in range(100):
            noop.train(model, ctx)
        times.append((time.perf_counter() - start) / 100)
    return statistics.median(times)


def _flower(options: Any) -> Any:
    from _peers import ensure, quiet

    setting = {"nodes": options.clients, "rounds": options.rounds, "floats": options.floats}
    flags = [part for name, value in setting.items() for part in (f"--{name}", str(value))]
    print("Flower is measured", file=sys.stderr, flush=True)
    return once([ensure("flwr"), PEER, *flags], env=quiet()).document


if __name__ == "__main__":
    main()
