"""Times clients that train in torch: in Atoll, in plain loops taking turns with it, and in pfl.

Does not know what the framework spends its part on. Everything computes on one thread per client.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import Any

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import torch

import atoll
from _measure import interleave_calls, once
from _report import Report, arguments
from _rounds import simulate
from apps import training

HERE = Path(__file__).parent
COHORT, WORKERS, CHUNK = 10, 2, 3  # clients a round; rounds between two turns of the loops beside a pool
TEMPLATE = Path(atoll.__file__).parent / "surfaces/cli/templates/torch/__package__/model.py"


def main() -> None:
    parser = arguments(__doc__.splitlines()[0], times=12)
    parser.add_argument("--net", choices=[*training.NETS, "all"], default="all")
    parser.add_argument("--fit", choices=[*training.FITS, "all"], default="all")
    parser.add_argument("--no-peer", action="store_true", help="leave pfl out")
    options = parser.parse_args()
    torch.set_num_threads(1)
    report = Report("training")
    for net in training.NETS if options.net == "all" else [options.net]:
        for fit in training.FITS if options.fit == "all" else [options.fit]:
            times = options.times if net == "mlp" else max(3, options.times // 2)
            _in_process(report, net, fit, times, durable=True)
            _in_process(report, net, fit, times, durable=False)
            _pooled(report, net, fit, times, durable=True)
            _pooled(report, net, fit, times, durable=False)
    if not options.no_peer:
        _peer(report, options.net)
    report.details["setting"] = vars(options)
    report.show(as_json=options.json)


def _in_process(report: Report, net: str, fit: str, rounds: int, *, durable: bool) -> None:
    """A round of Atoll, then as many clients in the plain loop in the same process, and so on."""
    plain, beside = training.Plain(net, fit), []
    plain.clients(2)
    ours = _run(net, fit, rounds + 2, lambda round: beside.append(plain.clients(COHORT)), durable=durable)
    ratios = [a / b for a, b in zip(ours[2:], beside[2:], strict=True)]
    loop = median(beside[2:]) / COHORT * 1e3
    name = f"{net}, {fit} fit, in-process, {'on disk' if durable else 'in memory'}: a client"
    report.add(name, loop * median(ratios), "ms", "plain loop", loop, at_most=1.03, note=_spread(ratios))


def _pooled(report: Report, net: str, fit: str, rounds: int, *, durable: bool) -> None:
    """Some rounds on a pool, then as many clients in two plain loops at the same time, and so on."""
    with _Loops(net, fit, WORKERS) as loops:
        beside: list[float] = []

        def between(round: int) -> None:
            if round % CHUNK == 0:
                beside.append(loops.clients(CHUNK * COHORT // WORKERS))

        ours = _run(net, fit, (rounds // CHUNK + 1) * CHUNK, between, durable=durable, workers=WORKERS)
    chunks = [sum(ours[at : at + CHUNK]) for at in range(0, len(ours), CHUNK)]
    ratios = [b / a for a, b in zip(chunks[1:], beside[1:], strict=True)]  # the first chunk starts the pool
    loop = CHUNK * COHORT / median(beside[1:])
    name = f"{net}, {fit} fit, pool of {WORKERS}, {'on disk' if durable else 'in memory'}: clients"
    against = f"{WORKERS} plain loops at once"
    report.add(name, loop * median(ratios), "/s", against, loop, at_least=0.95, note=_spread(ratios))


def _run(
    net: str, fit: str, rounds: int, between: Callable[[int], object], *, durable: bool, workers: int = 0
) -> list[float]:
    config = {"net": net, "fit": fit}
    app = training.server(COHORT)
    timed = simulate(
        app, training.app, durable=durable, between=between, nodes=training.NODES, rounds=rounds,
        config=config, workers=workers,
    )  # fmt: skip
    return timed.seconds


class _Loops:
    """Plain loops in processes of their own, each told how many clients to train, all at the same time."""

    def __init__(self, net: str, fit: str, count: int) -> None:
        command = [sys.executable, "-m", "apps.training", net, fit]
        pipe: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._loops = [subprocess.Popen(command, cwd=HERE, **pipe) for _ in range(count)]

    def __enter__(self) -> _Loops:
        self._answers()
        return self

    def __exit__(self, *_: object) -> None:
        for loop in self._loops:
            loop.stdin.close()  # type: ignore[union-attr]
            loop.wait()

    def clients(self, each: int) -> float:
        """The seconds until the last of them had trained so many."""
        for loop in self._loops:
            print(each, file=loop.stdin, flush=True)
        return max(self._answers())

    def _answers(self) -> list[Any]:
        return [json.loads(loop.stdout.readline()) for loop in self._loops]  # type: ignore[union-attr]


def _spread(ratios: list[float]) -> str:
    return f"{len(ratios)} turns, {min(ratios):.3f}-{max(ratios):.3f}"


def _peer(report: Report, net: str) -> None:
    """pfl's steps beside the same steps in plain loops, all in its own process; then the template's beside those."""
    from _peers import ensure, quiet

    print("pfl is measured", file=sys.stderr, flush=True)
    pfl = once([ensure("pfl"), HERE / "peers/pfl_train.py", "--net", net], env=quiet()).document
    report.details["pfl"] = pfl
    for name in training.NETS if net == "all" else [net]:
        steps = pfl[name]["ms_of_steps_per_client"]
        report.add(
            f"{name}, fast fit: steps of a client", steps["fast"], "ms", "pfl", steps["pfl"], at_most=1.0
        )
        report.add(f"{name}, fast fit: steps of a client", steps["fast"], "ms", "naive fit", steps["naive"])
        report.add(f"{name}, pfl: steps of a client", steps["pfl"], "ms", "naive fit", steps["naive"])
    if net != "mlp":
        _template(report, pfl["cnn"]["steps_over_naive"]["pfl"])


def _template(report: Report, pfl_over_naive: float) -> None:
    """The torch template's own net and function beside the same net and steps written naively; pfl's by way of the latter."""
    template = _loaded(TEMPLATE)
    x, y = training.data(training.NODES)[0]
    nets = {"template": template.Net(), "naive": training.cnn()}
    calls = {
        "template": lambda: template.fit(nets["template"], x, y, lr=0.1, batch=32, epochs=1, seed=0),
        "naive": lambda: training.naive_fit(nets["naive"], x, y, 0.1, 32, 1, seed=0),
    }
    found = interleave_calls(calls, times=15, warm=2)
    ours, naive = (median(found[name]) * 1e3 for name in ("template", "naive"))
    name = "torch template's own fit: steps of a client"
    report.add(
        name, ours, "ms", "pfl", naive * pfl_over_naive, at_most=1.0, note="pfl by way of the naive fit"
    )
    report.add(name, ours, "ms", "naive fit", naive)


def _loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("template_model", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
