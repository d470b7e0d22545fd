"""Each method does what its paper says; checked against the formula written out in float64."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import atoll
from atoll.algorithms import FedAvg, FedAvgM
from atoll.app import Watch
from atoll.values import ConfigError

NODES, ROUNDS = 5, 4


def drift(node: str, round: int) -> float:
    return 0.25 * (1 + int(node.partition("-")[2])) / round


def app() -> atoll.ClientApp:
    client = atoll.ClientApp()

    @client.train
    def train(model: Any, ctx: Any) -> atoll.Update:
        step = drift(ctx.node, ctx.round)
        moved = {n: (a + (1 if a.dtype.kind in "iu" else step)).astype(a.dtype) for n, a in model.items()}
        return atoll.Update(moved, weight=1 + int(ctx.node.partition("-")[2]))

    return client


def trained(algorithm: Any, initial: dict[str, Any]) -> atoll.Arrays:
    server = atoll.ServerApp()
    server.main(lambda fleet, ctx: atoll.fit(algorithm, fleet, initial=initial, rounds=ROUNDS))
    return atoll.simulate(server, app(), nodes=NODES, watch=Watch()).model


def mean_drift(round: int) -> float:
    weights = np.arange(1, NODES + 1)
    return float(sum(w * drift(f"node-{i}", round) for i, w in enumerate(weights)) / weights.sum())


def test_fedavg_is_the_mean_by_weight() -> None:
    found = trained(FedAvg(), {"w": np.zeros((2, 2), "f8"), "steps": np.array(0)})
    np.testing.assert_allclose(found["w"], sum(mean_drift(r) for r in range(1, ROUNDS + 1)), rtol=1e-12)
    assert found["steps"] == ROUNDS


@pytest.mark.parametrize(("momentum", "lr"), [(0.9, 1.0), (0.5, 0.1), (0.0, 1.0)])
def test_fedavgm_is_momentum_at_the_server(momentum: float, lr: float) -> None:
    found = trained(FedAvgM(momentum=momentum, lr=lr), {"w": np.zeros(3, "f8"), "steps": np.array(0)})
    x = v = 0.0
    for round in range(1, ROUNDS + 1):
        v = momentum * v - mean_drift(round)
        x = x - lr * v
    np.testing.assert_allclose(found["w"], x, rtol=1e-9)
    assert found["steps"] == ROUNDS, "integers take the mean"


@pytest.mark.parametrize("algorithm", [FedAvg(), FedAvgM()], ids=["FedAvg", "FedAvgM"])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "c8", ml_dtypes.bfloat16])
def test_every_float_keeps_its_dtype_and_shape(algorithm: Any, dtype: Any) -> None:
    initial = atoll.Arrays(
        {"a": np.zeros((), dtype), "b": np.zeros((0, 2), dtype), "c": np.ones((2, 3), dtype)}
    )
    found = trained(algorithm, dict(initial))
    assert initial.difference(found) is None
    assert np.isfinite(found["c"]).all()


def test_fedavgm_without_momentum_is_fedavg() -> None:
    initial = {"w": np.linspace(0, 1, 7)}
    np.testing.assert_allclose(
        trained(FedAvgM(momentum=0.0), initial)["w"], trained(FedAvg(), initial)["w"], rtol=1e-12
    )


@pytest.mark.parametrize(
    "options",
    [
        {"momentum": 1.0},
        {"momentum": -0.1},
        {"lr": 0.0},
        {"lr": -1.0},
        {"momentum": float("nan")},
        {"lr": float("nan")},
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError) as refused:
        FedAvgM(**options)
    assert refused.value.code == "algorithm.invalid"
