"""FedAdagrad, FedAdam and FedYogi are algorithm 2 of Reddi et al., written out in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from methods_app import Problem
from methods_world import close, mean, problems, run, some, wide

from atoll.algorithms import FedAdagrad, FedAdam, FedYogi
from atoll.values import ConfigError

SECOND = {
    "FedAdagrad": lambda v, d, beta2: v + d**2,
    "FedAdam": lambda v, d, beta2: beta2 * v + (1 - beta2) * d**2,
    "FedYogi": lambda v, d, beta2: v - (1 - beta2) * d**2 * np.sign(v - d**2),
}


def written_out(
    method: str, asked: Problem, *, lr: float, beta1: float, tau: float, beta2: float = 0.99
) -> dict[str, Any]:
    x, m, v = wide(asked.start()), {"w": 0.0, "bn": 0.0}, {"w": tau**2, "bn": tau**2}
    nodes = [asked.node(k) for k in range(asked.nodes)]
    for _ in range(asked.rounds):
        average = mean([wide(k.sgd(x)) for k in nodes], [k.weight for k in nodes])
        for n in ("w", "bn"):
            d = average[n] - x[n]
            m[n] = beta1 * m[n] + (1 - beta1) * d
            v[n] = SECOND[method](v[n], d, beta2)
            x[n] = x[n] + lr * m[n] / (np.sqrt(v[n]) + tau)
        x["count"] = average["count"]
    return x


@pytest.mark.parametrize("method", SECOND)
@some
@given(
    asked=problems,
    lr=st.sampled_from([0.03, 0.1]),
    beta1=st.sampled_from([0.0, 0.9]),
    tau=st.sampled_from([0.1, 0.3]),
)
def test_the_server_steps_as_the_paper_writes(
    method: str, asked: Problem, lr: float, beta1: float, tau: float
) -> None:
    found = run(method, asked, lr=lr, beta1=beta1, tau=tau).model
    close(found, written_out(method, asked, lr=lr, beta1=beta1, tau=tau), asked)


@pytest.mark.parametrize("method", [FedAdagrad, FedAdam, FedYogi])
@pytest.mark.parametrize(
    "options", [{"lr": 0.0}, {"lr": float("inf")}, {"tau": 0.0}, {"beta1": 1.0}, {"beta1": -0.1}], ids=str
)
def test_what_makes_no_sense_is_refused(method: Any, options: dict[str, float]) -> None:
    with pytest.raises(ConfigError) as refused:
        method(**options)
    assert refused.value.code == "algorithm.invalid"
    assert method.__name__ in refused.value.message


@pytest.mark.parametrize("method", [FedAdam, FedYogi])
def test_a_second_decay_of_one_is_refused(method: Any) -> None:
    with pytest.raises(ConfigError):
        method(beta2=1.0)


def test_a_complex_model_has_real_second_moments_and_stays_complex() -> None:
    from atoll import Arrays

    state = FedAdam().begin(Arrays(z=np.array([1 + 1j], "c8")))
    assert state["second_moment"]["z"].dtype == np.float32
    assert state["momentum"]["z"].dtype == np.complex64
