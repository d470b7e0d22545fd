"""Times rounds of a deployed federation whose clients do nothing, from the command to the last round, beside Flower's.

Does not know why a round takes what it takes: `py-spy record` does.
"""

from __future__ import annotations

import itertools
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _federation import Federation, cpu, private
from _measure import once
from _report import Report, arguments
from atoll.journal import Accepted, Committed
from atoll.surfaces._faraway import Faraway
from atoll.surfaces._places import needed

APP = Path(__file__).with_name("apps") / "deployed"
PEER = Path(__file__).with_name("peers") / "flwr_deployed.py"


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--floats", type=int, default=1000)
    parser.add_argument("--idle", type=float, default=20.0, help="seconds in which idle daemons are watched")
    parser.add_argument(
        "--no-keys", action="store_true", help="leave out a federation whose members have keys"
    )
    parser.add_argument("--no-peer", action="store_true", help="leave Flower out")
    options = parser.parse_args()
    report = Report("deployed")
    peer = None if options.no_peer else flower(options)
    with tempfile.TemporaryDirectory() as folder:
        found = {"": _measured(Path(folder) / "plain", options, keys=False)}
        if not options.no_keys:
            found[", everybody known by a key, over TLS"] = _measured(
                Path(folder) / "keys", options, keys=True
            )
    theirs = statistics.median(peer["rounds"]) if peer else None
    for how, (runs, _) in found.items():
        warm = runs[1:]  # the first one prepares the bundle at every node
        rounds = [seconds for one in warm for seconds in one["rounds"]]
        report.add(
            f"a round with {options.nodes} nodes{how}", statistics.median(rounds) * 1000, "ms", "Flower" if peer else "",
            theirs and theirs * 1000, at_most=60 if how else 30, by="value", note=f"p90 {_p90(rounds) * 1000:.1f} ms",
        )  # fmt: skip
        first = statistics.median(one["first"] for one in warm)
        report.add(f"command to first task{how}", first, "s", "Flower, to its server app" if peer else "",
                   peer and peer["started"], at_most=1.5, by="value", note=f"the very first {runs[0]['first']:.2f} s")  # fmt: skip
    _, idle = found[""]
    report.add("an idle node daemon", idle["node"] / 1e6, "MB", at_most=80, by="value")
    report.add("its CPU", idle["node cpu"] * 100, "% of a core", at_most=0.1, by="value")
    report.add("the coordinator", idle["coordinator"] / 1e6, "MB", at_most=200, by="value")
    report.details = {
        "setting": vars(options),
        "flwr": peer,
        "runs": {how: runs for how, (runs, _) in found.items()},
    }
    report.show(as_json=options.json)


def _measured(folder: Path, options: Any, *, keys: bool) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """The runs of a federation, and what its daemons take when it is idle."""
    with Federation(folder, nodes=options.nodes, keys=keys) as federation:
        runs = [run(federation, options) for _ in range(options.times + 1)]
        return runs, _idle(federation, 0 if keys else options.idle)


def run(federation: Federation, options: Any) -> dict[str, Any]:
    """One run by the command line: seconds of each round but the first, and until a client began its first task."""
    env = federation.context()
    federation.settle()
    begun = time.time()
    once([sys.executable, "-m", "atoll", "run", APP, "--on", "bench", "--set", f"rounds={options.rounds}",
          "--set", f"floats={options.floats}", "--set", f"arrays={getattr(options, 'arrays', 1)}"], env=env)  # fmt: skip
    import os

    os.environ.update(env)
    there = Faraway(needed("bench"))
    events = [event for _, event in there.events(there.find("@latest").id)]
    there.close()
    commits = [event.time for event in events if isinstance(event, Committed)]
    first = min(float(event.metrics["began"]) for event in events if isinstance(event, Accepted)) - begun
    return {"rounds": [b - a for a, b in itertools.pairwise(commits)], "first": first}


def _idle(federation: Federation, seconds: float) -> dict[str, float]:
    nodes = [d.pid for name, d in federation.daemons.items() if name.startswith("node")]
    before = cpu(nodes)
    time.sleep(seconds)  # what is measured is how little happens meanwhile
    return {
        "node": statistics.median(private(pid) for pid in nodes),
        "node cpu": (cpu(nodes) - before) / seconds / len(nodes) if seconds else 0.0,
        "coordinator": private(federation.daemons["coordinator"].pid),
    }


def _p90(values: list[float]) -> float:
    return statistics.quantiles(values, n=10)[-1]


def flower(options: Any) -> Any:
    """The same by Flower's deployment; None when it can't be had."""
    from _peers import ensure, quiet

    print("Flower is measured (a minute or two)", file=sys.stderr, flush=True)
    flags = ["--nodes", str(options.nodes), "--rounds", "3", "--floats", str(options.floats)]
    try:
        return once([ensure("flwr"), PEER, *flags], env=quiet()).document
    except (RuntimeError, subprocess.CalledProcessError) as error:
        print(f"Flower could not be measured: {error}", file=sys.stderr)
        return None


if __name__ == "__main__":
    main()
