"""A Flower client that trains a small network in torch, keeping network and data in its actor.

Does not know how it is timed. A module of its own, since Ray's workers import it by name.
"""

from __future__ import annotations

import functools

import torch
from _flwr import ArrayRecord, Context, Message, MetricRecord, RecordDict

from _training import client_data, cnn, fast_fit, mlp, naive_fit

NETS, FITS = {"mlp": mlp, "cnn": cnn}, {"naive": naive_fit, "fast": fast_fit}


@functools.cache
def kept(net: str, nodes: int) -> tuple[torch.nn.Module, list]:
    """The network and everyone's data, made once in each actor."""
    torch.set_num_threads(1)
    return NETS[net](), client_data(nodes)


def train(net_name: str, fit_name: str, message: Message, context: Context) -> Message:
    net, data = kept(net_name, int(context.node_config["num-partitions"]))
    net.load_state_dict(message.content["arrays"].to_torch_state_dict())
    node = int(context.node_config["partition-id"])
    loss = FITS[fit_name](net, *data[node], lr=0.1, batch=32, epochs=1, seed=node)
    metrics = MetricRecord({"num-examples": len(data[node][0]), "loss": loss})
    reply = {"arrays": ArrayRecord(net.state_dict()), "metrics": metrics}
    return Message(content=RecordDict(reply), reply_to=message)
