"""Federated evaluation: a model goes to the nodes, and only numbers come back.

Doesn't know what is measured; it averages by weight, and keeps what each node said.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from atoll.app import Failure, Fleet, Reply, Schedule, Task
from atoll.values import Arrays, Scalar


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What one node said: its metrics, and how much they weigh."""

    weight: float
    metrics: Mapping[str, Scalar]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a model is worth.

    `metrics` are means over nodes by weight, each over those that reported it as a finite number; `nodes` is what each
    node said, in the order of the fleet; `failures` are the nodes that said nothing that counts.
    """

    metrics: Mapping[str, float]
    nodes: Mapping[str, Evaluated]
    failures: Sequence[Failure] = field(default=())

    def table(self) -> dict[str, list[Scalar | None]]:
        """The nodes as columns of equal length, `node` and `weight` first; None where a node didn't say. Fits a data frame."""
        names = list(dict.fromkeys(name for node in self.nodes.values() for name in node.metrics))
        columns: dict[str, list[Scalar | None]] = {
            "node": list(self.nodes),
            "weight": [node.weight for node in self.nodes.values()],
        }
        for name in names:
            columns[name] = [node.metrics.get(name) for node in self.nodes.values()]
        return columns


def evaluate(
    fleet: Fleet,
    model: Arrays | Mapping[str, Any],
    *,
    schedule: Schedule | None = None,
    config: Mapping[str, Any] | None = None,
    action: str = "evaluate",
) -> Evaluation:
    """Ask nodes what a model is worth beside their data; nothing is trained.

    `config` changes `ctx.config` at the nodes; `action` is what their apps registered: `evaluate`, or a query by name.
    The mean of a metric m is sum(n_k m_k) / sum(n_k), n_k the weight of node k's Update: its rows, if it says so.

    Raises `TooFewReplies` when fewer nodes answered than `schedule.minimum`.
    """
    arrays = model if isinstance(model, Arrays) else Arrays(model)
    replies = fleet.ask(Task(action, {"model": arrays}, config or {}), schedule)
    nodes = {reply.node: _evaluated(reply) for reply in replies}
    return Evaluation(_means(nodes.values()), nodes, tuple(replies.failures))


def _evaluated(reply: Reply) -> Evaluated:
    reply.folded()
    return Evaluated(reply.weight, reply.metrics.plain())


def _means(nodes: Iterable[Evaluated]) -> dict[str, float]:
    sums: dict[str, list[float]] = {}
    for node in nodes:
        for name, value in node.metrics.items():
            if isinstance(value, str) or not math.isfinite(value):
                continue
            total = sums.setdefault(name, [0.0, 0.0])
            total[0] += node.weight * value
            total[1] += node.weight
    return {name: total / weight for name, (total, weight) in sums.items() if weight > 0}
