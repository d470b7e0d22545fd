"""Times Flower's simulation of clients that do nothing with a large model, and takes the memory of all its processes.

Does not know Atoll. Runs in flwr's own environment; the last line of stdout is one JSON document.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import statistics
from importlib.metadata import version

import numpy as np
from _flwr import simulate

from _measure import Peak, watch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=10, help="clients, all of them in each round")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument(
        "--megabytes", type=int, default=100, help="size of the model, in ten arrays of float32"
    )
    parser.add_argument("--actors", type=int, default=2, help="clients at a time")
    parser.add_argument(
        "--every", type=float, default=0.5, help="seconds between looks at the memory; 0: never"
    )
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    model = [rng.standard_normal(options.megabytes * 100_000 // 4, dtype=np.float32) for _ in range(10)]
    with watch(os.getpid(), every=options.every or 1e9) as peak:
        ends = simulate(model, nodes=options.nodes, rounds=options.rounds, actors=options.actors)
    rounds = [later - earlier for earlier, later in itertools.pairwise(ends)]
    print(
        json.dumps(
            {
                "bench": "flwr_large",
                "versions": {
                    "python": platform.python_version(),
                    "flwr": version("flwr"),
                    "ray": version("ray"),
                },
                "setting": vars(options),
                "seconds_a_round": [round(seconds, 3) for seconds in rounds],
                "seconds_a_round_steady": round(statistics.median(rounds[1:] or rounds), 3),
                **(_memory(peak, options.megabytes * 1e6) if options.every else {}),
            }
        )
    )


def _memory(peak: Peak, model: float) -> dict[str, float]:
    return {
        "peak_bytes_of_all_processes": peak.pss,
        "peak_over_model": round(peak.pss / model, 2),
        "peak_rss_sum_over_model": round(peak.rss / model, 2),
        "processes": peak.processes,
    }


if __name__ == "__main__":
    main()
