"""An app whose clients train for an epoch on 600 images, and the same clients in a plain loop without a framework.

Does not know which of the two is quicker.
"""

from __future__ import annotations

import json
import sys
import time
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

import atoll
from _training import client_data, cnn, fast_fit, loader_fit, mlp, naive_fit
from atoll.algorithms import FedAvg
from atoll.torch import get_arrays, set_arrays

NETS = {"mlp": mlp, "cnn": cnn}
FITS = {"loader": loader_fit, "naive": naive_fit, "fast": fast_fit}
NODES, LR, BATCH, EPOCHS = 100, 0.1, 32, 1

app = atoll.ClientApp()
data = cache(client_data)  # the same for the app and the plain loop beside it


@app.train
def train(model: atoll.Arrays, ctx: atoll.Context) -> atoll.Update:
    net = ctx.keep(NETS[ctx.config.net])
    set_arrays(net, model)
    x, y = data(NODES)[int(ctx.node.removeprefix("node-"))]
    loss = FITS[ctx.config.fit](net, x, y, LR, BATCH, EPOCHS, seed=ctx.seed)
    return atoll.Update(get_arrays(net), weight=len(y), metrics={"loss": loss})


def server(cohort: int) -> atoll.ServerApp:
    """A server that asks some of the nodes in each round, and averages."""
    app = atoll.ServerApp()

    @app.main
    def main(fleet: atoll.Fleet, ctx: atoll.ServerContext) -> atoll.Arrays:
        torch.manual_seed(ctx.seed)
        initial = get_arrays(NETS[ctx.config.net]())
        schedule = atoll.Schedule(count=cohort)
        return atoll.fit(FedAvg(), fleet, initial=initial, rounds=ctx.config.rounds, schedule=schedule)

    return app


class Plain:
    """The user's own function in a loop: the model set, trained, read out; nothing checked, sent, averaged or kept."""

    def __init__(self, net: str, fit: str) -> None:
        torch.manual_seed(0)
        self._net: nn.Module = NETS[net]()
        self._fit = FITS[fit]
        self._model = {name: tensor.clone() for name, tensor in self._net.state_dict().items()}
        self._turn = 0

    def clients(self, count: int) -> float:
        """Trains so many clients; the seconds they took."""
        start = time.perf_counter()
        for _ in range(count):
            self._turn += 1
            self._client(*data(NODES)[self._turn % NODES])
        return time.perf_counter() - start

    def _client(self, x: Tensor, y: Tensor) -> tuple[dict[str, Any], float]:
        self._net.load_state_dict(self._model)
        loss = self._fit(self._net, x, y, LR, BATCH, EPOCHS, seed=self._turn)
        return {name: tensor.clone() for name, tensor in self._net.state_dict().items()}, loss


def serve(net: str, fit: str) -> None:
    """Trains as many clients as each line of stdin says, and answers with the seconds; for a loop beside another."""
    torch.set_num_threads(1)
    plain = Plain(net, fit)
    plain.clients(3)
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        print(json.dumps(plain.clients(int(line))), flush=True)


if __name__ == "__main__":
    serve(*sys.argv[1:])
