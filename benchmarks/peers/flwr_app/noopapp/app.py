"""A Flower app whose clients answer at once with arrays of their own; its server notes when each round ended."""

import json
import time
from pathlib import Path

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

client = ClientApp()
server = ServerApp()


@client.train()
def train(message: Message, context: Context) -> Message:
    """The model, moved by an amount that no other reply has."""
    moved = np.float32(np.random.default_rng().random())
    arrays = [array + moved for array in message.content["arrays"].to_numpy_ndarrays()]
    reply = {"arrays": ArrayRecord(arrays), "metrics": MetricRecord({"num-examples": 1})}
    return Message(content=RecordDict(reply), reply_to=message)


class Timed(FedAvg):
    """FedAvg that notes the end of each round."""

    def __init__(self, nodes: int) -> None:
        super().__init__(fraction_evaluate=0.0, min_train_nodes=nodes, min_available_nodes=nodes)
        self.ends: list[float] = []

    def aggregate_train(self, server_round, replies):
        replies = list(replies)
        for reply in replies:
            if reply.has_error():
                raise RuntimeError(f"a client failed in round {server_round}: {reply.error.reason}")
        found = super().aggregate_train(server_round, replies)
        self.ends.append(time.time())
        return found


@server.main()
def main(grid: Grid, context: Context) -> None:
    """So many rounds with every node."""
    config = context.run_config
    strategy = Timed(int(config["nodes"]))
    initial = ArrayRecord([np.random.default_rng(0).standard_normal(int(config["floats"]), dtype=np.float32)])
    started = time.time()
    strategy.start(grid, initial, num_rounds=int(config["rounds"]), train_config=ConfigRecord({}))
    Path(str(config["out"])).write_text(json.dumps({"started": started, "ends": strategy.ends}))
