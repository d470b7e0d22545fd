"""Runs a Flower simulation of clients that train nothing and says when each of its rounds ended.

Does not know Atoll. Imported only inside flwr's own environment.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from _peers import quiet

os.environ.update(quiet())  # before flwr and ray are imported: both read their settings then

import numpy as np
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg
from flwr.simulation import run_simulation


def noop(message: Message, context: Context) -> Message:
    """Replies at once with arrays of its own: the model moved by an amount that no other client has."""
    node = int(context.node_config["partition-id"])
    arrays = [
        array + np.float32(1e-3 * (node + 1)) for array in message.content["arrays"].to_numpy_ndarrays()
    ]
    reply = {"arrays": ArrayRecord(arrays), "metrics": MetricRecord({"num-examples": 1})}
    return Message(content=RecordDict(reply), reply_to=message)


class Strict(FedAvg):
    """FedAvg that takes no failed reply for an answer: a failure is quick, and would flatter the times."""

    def aggregate_train(self, server_round: int, replies: Iterable[Message]) -> Any:
        replies = list(replies)
        for reply in replies:
            if reply.has_error():
                raise RuntimeError(f"a client failed in round {server_round}: {reply.error.reason}")
        return super().aggregate_train(server_round, replies)


def simulate(
    initial: list[np.ndarray] | dict[str, Any],
    *,
    nodes: int,
    rounds: int,
    actors: int = 2,
    cohort: int | None = None,
    train: Callable[[Message, Context], Message] = noop,
) -> list[float]:
    """Asks `cohort` nodes (default: every one) a round, `actors` at a time. Gives time.time() at the end of each
    round, with round 0, the moment before the first, in front. Federated evaluation is off: it would double the
    messages.
    """
    ends: list[float] = []
    client, server, asked = ClientApp(), ServerApp(), cohort or nodes
    client.train()(train)

    @server.main()
    def main(grid: Grid, context: Context) -> None:
        strategy = Strict(asked / nodes, 0.0, min_train_nodes=asked, min_available_nodes=nodes)
        strategy.start(grid, ArrayRecord(initial), rounds, evaluate_fn=lambda *_: ends.append(time.time()))

    resources = {"client_resources": {"num_cpus": 1, "num_gpus": 0.0}, "init_args": {"num_cpus": actors}}
    run_simulation(server, client, num_supernodes=nodes, backend_config=resources)
    if len(ends) != rounds + 1:
        raise SystemExit(f"Flower ended {len(ends) - 1} of {rounds} rounds")
    return ends


def began() -> float:
    """When this process was started, as time.time(): from /proc, in steps of 10 ms."""
    started = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]) / os.sysconf(
        "SC_CLK_TCK"
    )
    return time.time() - (time.clock_gettime(time.CLOCK_BOOTTIME) - started)
