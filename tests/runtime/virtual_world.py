"""Simulations in virtual time, for tests: an app whose updates tell who trained, and fleets of known speeds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import atoll
from atoll import Arrays, Schedule, Task
from atoll.app import Watch

MODEL = Arrays(w=np.zeros(250, "f4"))  # 1000 bytes


class Trained:
    """Who trained, in the order in which it was computed."""

    def __init__(self, weights: Mapping[str, float] | None = None) -> None:
        self.nodes: list[str] = []
        self.weights = dict(weights or {})
        self.app = atoll.ClientApp()
        self.app.train(self.train)
        self.app.evaluate(self.evaluate)

    def train(self, model: Any, ctx: Any) -> Any:
        self.nodes.append(ctx.node)
        return atoll.Update(model.map(lambda a: a + ctx.rng.normal()), weight=self.weights.get(ctx.node, 1.0))

    def evaluate(self, model: Any, ctx: Any) -> Any:
        return atoll.Update(metrics={"loss": 1.0})


def rounds_of(schedule: Schedule | None = None, *, arriving: list[str] | None = None) -> Callable[..., Any]:
    """A program that averages; with `arriving`, it takes replies as they come, and notes from whom."""

    def main(fleet: Any, ctx: Any) -> Any:
        loop = ctx.rounds(ctx.config.rounds, initial={"model": MODEL})
        for rnd in loop:
            asked = fleet.ask(Task("train", {"model": rnd.state["model"]}), schedule)
            mean = atoll.Mean()
            for reply in asked if arriving is None else asked.arriving():
                mean.add(reply)
                if arriving is not None:
                    arriving.append(reply.node)
            rnd.commit(
                {"model": mean.finish()}, metrics={"answered": len(list(asked.cohort)) - len(asked.failures)}
            )
        return loop.state["model"]

    return main


def simulated(main: Callable[..., Any], clock: Any, *, client: Any = None, **options: Any) -> atoll.History:
    """A run of such a program; three nodes and one round unless told otherwise."""
    server = atoll.ServerApp()
    server.main(main)
    settings = {"nodes": 3, "rounds": 1, "watch": Watch(), **options}
    return atoll.simulate(server, client or Trained().app, clock=clock, **settings)


def virtual(history: atoll.History) -> list[float]:
    """The virtual seconds of each round."""
    return [float(row["virtual_seconds"]) for row in history.rounds()]


def traced(folder: Path, nodes: Any, *, name: str = "fleet.json") -> str:
    """A trace file of these nodes."""
    path = folder / name
    path.write_text(json.dumps({"nodes": nodes}))
    return str(path)


def speeds(folder: Path, *compute: float, **alike: Any) -> dict[str, Any]:
    """A clock by which node-0, node-1 ... compute for so many seconds."""
    rows = {f"node-{i}": {"compute": c} for i, c in enumerate(compute)}
    return {"trace": traced(folder, rows), **alike}
