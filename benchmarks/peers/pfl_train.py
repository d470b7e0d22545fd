"""Trains the same clients with pfl and with plain loops, in turns, and prints what one client costs in each.

Does not know Atoll. Runs in pfl's own environment; the last line of stdout is one JSON document.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import torch
import torch.nn.functional as F
from pfl.aggregate.simulate import SimulatedBackend
from pfl.algorithm.base import NNAlgorithmParams
from pfl.algorithm.federated_averaging import FederatedAveraging
from pfl.callback.base import TrainingProcessCallback
from pfl.data.federated_dataset import FederatedDataset
from pfl.data.pytorch import PyTorchTensorDataset
from pfl.data.sampling import get_user_sampler
from pfl.hyperparam.base import NNTrainHyperParams
from pfl.metrics import Metrics, Weighted
from pfl.model.pytorch import PyTorchModel
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from _training import client_data, cnn, fast_fit, loader_fit, mlp, naive_fit

LR, BATCH, EPOCHS = 0.1, 32, 1
NETS: dict[str, Callable[[], nn.Module]] = {"mlp": mlp, "cnn": cnn}


class Judged(nn.Module):
    """A network as pfl wants it: one that knows its own loss and metrics."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(self.net(x), y)

    def metrics(self, x: Tensor, y: Tensor) -> dict[str, Weighted]:
        return {"loss": Weighted(self.loss(x, y).item() * len(x), len(x))}


class TimedModel(PyTorchModel):
    """pfl's model, with its local training timed apart from what pfl does around it."""

    def do_multiple_epochs_of(self, *args, **kwargs):
        start = time.perf_counter()
        result = super().do_multiple_epochs_of(*args, **kwargs)
        self.seconds = getattr(self, "seconds", 0.0) + time.perf_counter() - start
        return result


class Loop:
    """Clients in a plain loop: the model set, trained, read back and added up, as any federated client must."""

    def __init__(self, net: nn.Module, fit: Callable[..., float], data: list[tuple[Tensor, Tensor]]) -> None:
        self._net, self._fit, self._data = net, fit, data
        self._start = [weight.detach().clone() for weight in net.parameters()]
        self._turn = 0
        self.seconds = 0.0

    @torch.no_grad()
    def round(self, clients: int) -> None:
        total = [torch.zeros_like(weight) for weight in self._start]
        for _ in range(clients):
            torch._foreach_copy_(list(self._net.parameters()), self._start)
            self._train()
            torch._foreach_add_(total, list(self._net.parameters()))

    @torch.enable_grad()
    def _train(self) -> None:
        self._turn += 1
        x, y = self._data[self._turn % len(self._data)]
        start = time.perf_counter()
        self._fit(self._net, x, y, LR, BATCH, EPOCHS, seed=self._turn)
        self.seconds += time.perf_counter() - start


class Turns(TrainingProcessCallback):
    """Times pfl's rounds, and between two of them lets each plain loop train as many clients."""

    def __init__(self, clients: int, loops: dict[str, Loop]) -> None:
        self._clients, self._loops = clients, loops
        self.client: dict[str, list[float]] = {name: [] for name in ("pfl", *loops)}
        self.steps: dict[str, list[float]] = {name: [] for name in ("pfl", *loops)}

    def on_train_begin(self, *, model: TimedModel) -> Metrics:
        self._since = time.perf_counter()
        return Metrics()

    def after_central_iteration(
        self, aggregate_metrics: Metrics, model: TimedModel, *, central_iteration: int
    ) -> tuple[bool, Metrics]:
        self._note("pfl", model, time.perf_counter() - self._since)
        for name, loop in self._loops.items():
            start = time.perf_counter()
            loop.round(self._clients)
            self._note(name, loop, time.perf_counter() - start)
        self._since = time.perf_counter()
        return False, Metrics()

    def _note(self, name: str, trainer: TimedModel | Loop, seconds: float) -> None:
        self.client[name].append(seconds / self._clients)
        self.steps[name].append(trainer.seconds / self._clients)
        trainer.seconds = 0.0


def measure(
    make: Callable[[], nn.Module],
    data: list[tuple[Tensor, Tensor]],
    *,
    rounds: int,
    cohort: int,
    layout: torch.memory_format,
) -> dict[str, object]:
    """Times one network; `layout` is the memory format of pfl's copy of it.

    pfl evaluates each user of round 0, so that round is everyone's warm-up and is not counted.
    """
    torch.manual_seed(0)
    net = Judged(make()).to(memory_format=layout)
    users = [PyTorchTensorDataset(pair, user_id=str(index)) for index, pair in enumerate(data)]
    sampler = get_user_sampler("minimize_reuse", list(range(len(users))))
    federated = FederatedDataset(users.__getitem__, sampler)
    fits = {"loader": loader_fit, "naive": naive_fit, "fast": fast_fit}
    turns = Turns(cohort, {name: Loop(make(), fit, data) for name, fit in fits.items()})
    FederatedAveraging().run(
        NNAlgorithmParams(rounds + 1, rounds + 2, cohort, 0),
        SimulatedBackend(training_data=federated, val_data=federated),
        TimedModel(net, torch.optim.SGD, torch.optim.SGD(net.parameters(), lr=1.0)),
        NNTrainHyperParams(local_num_epochs=EPOCHS, local_learning_rate=LR, local_batch_size=BATCH),
        callbacks=[turns],
        send_metrics_to_platform=False,
    )
    client, steps = _milliseconds(turns.client), _milliseconds(turns.steps)
    return {
        "parameters": sum(weight.numel() for weight in net.parameters()),
        "steps_per_client": EPOCHS * -(-len(data[0][0]) // BATCH),
        "clients_timed": rounds * cohort,
        "ms_per_client": client,
        "ms_of_steps_per_client": steps,
        "steps_over_naive": {name: round(value / steps["naive"], 3) for name, value in steps.items()},
        "steps_over_pfl": {name: round(value / steps["pfl"], 3) for name, value in steps.items()},
    }


def _milliseconds(times: dict[str, list[float]]) -> dict[str, float]:
    return {name: round(statistics.median(seconds[1:]) * 1e3, 3) for name, seconds in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--net", choices=[*NETS, "all"], default="all")
    parser.add_argument(
        "--rounds", type=int, help="rounds that are timed (default: 20 of the MLP, 5 of the CNN)"
    )
    parser.add_argument("--users", type=int, default=100)
    parser.add_argument("--cohort", type=int, default=10)
    parser.add_argument("--channels-last", action="store_true", help="give pfl's network that layout too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    layout = torch.channels_last if options.channels_last else torch.contiguous_format
    data = client_data(options.users)
    found: dict[str, object] = {}
    for name in NETS if options.net == "all" else [options.net]:
        rounds = options.rounds or {"mlp": 20, "cnn": 5}[name]
        found[name] = measure(NETS[name], data, rounds=rounds, cohort=options.cohort, layout=layout)
    versions = {"python": platform.python_version(), "pfl": version("pfl"), "torch": torch.__version__}
    print(
        json.dumps(
            {"bench": "pfl_train", "versions": versions, "channels_last": options.channels_last, **found}
        )
    )


if __name__ == "__main__":
    main()
