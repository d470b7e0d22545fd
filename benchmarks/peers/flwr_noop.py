"""Times Flower's simulation of clients that do nothing with a small model: what the framework itself costs.

Does not know Atoll. Runs in flwr's own environment; the last line of stdout is one JSON document.
"""

from __future__ import annotations

import argparse
import itertools
import json
import platform
import statistics
import time
from importlib.metadata import version

import numpy as np
from _flwr import began, simulate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=100, help="clients, all of them in each round")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--floats", type=int, default=1000)
    parser.add_argument("--actors", type=int, default=2, help="clients at a time")
    options = parser.parse_args()
    start = began()
    model = np.random.default_rng(0).standard_normal(options.floats, dtype=np.float32)
    ends = simulate([model], nodes=options.nodes, rounds=options.rounds, actors=options.actors)
    done = time.time()
    rounds = [later - earlier for earlier, later in itertools.pairwise(ends)]
    steady = statistics.median(rounds[1:] or rounds)
    after_start_up = rounds[1:] or rounds
    print(
        json.dumps(
            {
                "bench": "flwr_noop",
                "versions": {
                    "python": platform.python_version(),
                    "flwr": version("flwr"),
                    "ray": version("ray"),
                },
                "setting": vars(options),
                "seconds_to_end_of_round_1": round(ends[1] - start, 3),
                "seconds_whole": round(done - start, 3),
                "seconds_a_round": [round(seconds, 4) for seconds in rounds],
                "seconds_a_round_steady": round(steady, 4),
                "ms_a_client_steady": round(steady / options.nodes * 1e3, 4),
                "clients_per_second_steady": round(options.nodes / steady, 1),
                "clients_per_second_after_round_1": round(
                    options.nodes * len(after_start_up) / sum(after_start_up), 1
                ),
                "clients_per_second_overall": round(options.nodes * options.rounds / (done - start), 1),
            }
        )
    )


if __name__ == "__main__":
    main()
