"""Times Flower's simulation of clients that train a small network in torch, two at a time.

Does not know Atoll. Runs in flwr's own environment; the last line of stdout is one JSON document.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import platform
import statistics
from importlib.metadata import version

from _flwr import simulate
from _flwr_torch import FITS, NETS, train


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--net", choices=[*NETS], default="mlp")
    parser.add_argument("--fit", choices=[*FITS], default="naive")
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--cohort", type=int, default=10, help="clients a round")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--actors", type=int, default=2, help="clients at a time")
    options = parser.parse_args()
    ends = simulate(
        NETS[options.net]().state_dict(),
        nodes=options.nodes,
        rounds=options.rounds,
        actors=options.actors,
        cohort=options.cohort,
        train=functools.partial(train, options.net, options.fit),
    )
    rounds = [later - earlier for earlier, later in itertools.pairwise(ends)]
    steady = statistics.median(rounds[1:] or rounds)
    names = ("flwr", "ray", "torch")
    print(
        json.dumps(
            {
                "bench": "flwr_train",
                "versions": {"python": platform.python_version(), **{name: version(name) for name in names}},
                "setting": vars(options),
                "seconds_a_round": [round(seconds, 4) for seconds in rounds],
                "ms_a_client": round(steady / options.cohort * 1e3, 2),
                "ms_a_client_on_its_actor": round(steady / options.cohort * options.actors * 1e3, 2),
            }
        )
    )


if __name__ == "__main__":
    main()
