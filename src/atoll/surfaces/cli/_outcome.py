"""What came of a run: in words, and as a document. The same for a simulated run and one on a federation.

Doesn't know how it ran.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from atoll.journal import STOPPED, Created, History
from atoll.surfaces.cli._output import Output
from atoll.surfaces.cli._runs import Runs, model_files
from atoll.surfaces.cli._watching import Watching
from atoll.surfaces.cli._words import number, span


def conclude(created: Created, history: History, watch: Watching, out: Output) -> None:
    """How it ended, and what to do next."""
    rounds, on = history.rounds(), out.on
    if history.status == STOPPED:
        out.line(
            out.paint("stopped", "yellow", "bold") + f" after round {rounds[-1]['round'] if rounds else 0}"
        )
        out.line(f"  go on with   atoll resume {created.name}{on}")
        return
    told = "  ".join(f"{n} {number(v)}" for n, v in _last(rounds).items())
    out.line(out.paint("finished", "green", "bold") + f" in {span(watch.elapsed)}  {told}".rstrip())
    out.line(f"  the model    atoll pull {created.name}{on} -o model.safetensors")
    out.line(f"  more         atoll show {created.name}{on}")


def document(runs: Runs, created: Created, history: History, watch: Watching) -> dict[str, Any]:
    """The run for programs."""
    rounds = history.rounds()
    timings = {
        "total": watch.elapsed,
        "first_round": watch.first_round,
        "rounds": [r["seconds"] for r in rounds],
    }
    return {
        "run": created.id, "name": created.name, "status": history.status, "rounds": rounds, "metrics": _last(rounds),
        "timings": timings, "model": model_files(runs, created.id), "failures": watch.failures,
        "nodes": len(created.nodes), "seed": created.seed, "config": created.config,
    }  # fmt: skip


def _last(rounds: list[dict[str, Any]]) -> Mapping[str, Any]:
    return {n: v for n, v in (rounds[-1] if rounds else {}).items() if n not in ("round", "seconds")}
