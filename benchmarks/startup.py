"""Times how soon commands answer, and how soon a new app has its first round, beside bare Python and flwr.

Does not know what is imported on the way; `python -X importtime -m atoll --help` does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from _measure import Command, Sample, interleave, once
from _report import Report, arguments
from atoll.journal import Committed, SqliteJournal

PYTHON = Path(sys.executable)
ATOLL = PYTHON.with_name("atoll")
TELL = "import atoll, sys; print(sum(name in sys.modules for name in ('numpy', 'msgspec')))"


def main() -> None:
    parser = arguments(__doc__.splitlines()[0], times=20)
    parser.add_argument("--no-peer", action="store_true", help="leave flwr out")
    options = parser.parse_args()
    report = Report("startup", details={"setting": vars(options)})
    with tempfile.TemporaryDirectory(prefix="atoll-bench-") as folder:
        environment = {"ATOLL_HOME": f"{folder}/home", "NO_COLOR": "1"}
        _first_round(report, folder, max(3, options.times // 4), environment)
        _commands(report, options.times, environment)  # completion has runs to name now
    if not options.no_peer:
        _peer(report)
    report.show(as_json=options.json)


def _commands(report: Report, times: int, environment: dict[str, str]) -> None:
    commands: dict[str, Command] = {
        "python -c pass": [PYTHON, "-c", "pass"],
        "python -c 'import numpy'": [PYTHON, "-c", "import numpy"],
        "python -c 'import atoll'": [PYTHON, "-c", "import atoll"],
        "atoll --version": [ATOLL, "--version"],
        "atoll __complete": [ATOLL, "__complete"],
        "atoll __complete runs": [ATOLL, "__complete", "runs"],
        "atoll --help": [ATOLL, "--help"],
        "atoll run --help": [ATOLL, "run", "--help"],
    }
    found = interleave(commands, times=times, warm=2, env=environment)
    bare, numpy = "python -c pass", "python -c 'import numpy'"
    bounds = {name: (bare, 2.0) for name in commands if name.startswith(("atoll --v", "atoll __"))}
    bounds |= {name: (bare, 2.5) for name in commands if name.endswith("--help")}
    bounds |= {"python -c 'import atoll'": (numpy, 1.0)}
    for name, (against, bound) in bounds.items():
        _compare(report, name, found[name], against, found[against], bound)
    heavy = int(once([PYTHON, "-c", TELL]).stdout)
    report.add("numpy and msgspec imported by 'import atoll'", heavy, "", at_most=0, by="value")


def _compare(
    report: Report, name: str, ours: list[Sample], against: str, theirs: list[Sample], bound: float
) -> None:
    """The median wall times, and the median of the ratios of runs that were neighbours in time."""
    ratio = median(a.wall / b.wall for a, b in zip(ours, theirs, strict=True))
    other = median(run.wall for run in theirs)
    cpu = median(run.cpu for run in ours) / median(run.cpu for run in theirs)
    report.add(name, other * ratio * 1e3, "ms", against, other * 1e3, at_most=bound, note=f"CPU {cpu:.2f}x")


def _first_round(report: Report, folder: str, times: int, environment: dict[str, str]) -> None:
    """From the start of `atoll run` to the moment at which its journal says that round 1 is committed."""
    new = [ATOLL, "new", "my-app", "--template", "numpy"]
    subprocess.run(new, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    firsts, wholes, numpys = [], [], []
    for turn in range(times + 1):  # the first compiles what is imported
        numpy = once([PYTHON, "-c", "import numpy"])
        begun = time.time()
        run = once([ATOLL, "run", "--json"], cwd=f"{folder}/my-app", env={**os.environ, **environment})
        if turn:
            firsts.append(_committed(environment["ATOLL_HOME"], json.loads(run.stdout)["run"], 1) - begun)
            wholes.append(run.wall)
            numpys.append(numpy.wall)
    report.add(
        "atoll run on the numpy template: to the first committed round", median(firsts), "s",
        "python -c 'import numpy'", median(numpys), at_most=1.0, by="difference",
        note=f"least {min(firsts):.2f} s",
    )  # fmt: skip
    report.add("the same: to the end", median(wholes), "s", "python -c 'import numpy'", median(numpys))


def _committed(home: str, run: str, round: int) -> float:
    journal = SqliteJournal(home)
    try:
        events = [event for _, event in journal.events(run)]
    finally:
        journal.close()
    return next(e.time for e in events if isinstance(e, Committed) and e.round == round)


def _peer(report: Report) -> None:
    from _peers import ensure, quiet

    flwr = ensure("flwr").with_name("flwr")
    commands = {"flwr": [flwr, "--help"], "atoll": [ATOLL, "--help"]}
    found = interleave(commands, times=3, warm=1, env=quiet())
    ours, theirs = (median(run.wall for run in found[name]) for name in ("atoll", "flwr"))
    report.add("atoll --help", ours * 1e3, "ms", "flwr --help", theirs * 1e3)


if __name__ == "__main__":
    main()
