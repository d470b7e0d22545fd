"""Runs of a method on random parabolas, and what a paper's update written in float64 is compared with.

Doesn't know any method.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import hypothesis
import methods_app
import numpy as np
from hypothesis import strategies as st
from methods_app import Problem, settings

import atoll
from atoll.app import Watch

problems = st.builds(
    Problem,
    seed=st.integers(0, 2**32 - 1),
    nodes=st.integers(1, 4),
    rounds=st.integers(1, 3),
    dtype=st.sampled_from(["float32", "float64", "bfloat16"]),
    shape=st.sampled_from([(), (3,), (2, 3), (0, 2)]),
    even=st.booleans(),
)
some = hypothesis.settings(max_examples=12, deadline=None, derandomize=True, print_blob=False)
Wide = dict[str, Any]


def run(
    method: str, asked: Problem, *, workers: int = 0, fraction: float = 1.0, **options: Any
) -> atoll.History:
    config = settings(method, asked, fraction=fraction, **options)
    return atoll.simulate(methods_app.server, methods_app.client, nodes=asked.nodes, config=config, workers=workers,
                          watch=Watch(), fail_fast=not workers)  # fmt: skip


def wide(model: Mapping[str, Any]) -> Wide:
    """A model in float64, all of it: what a paper's x is."""
    return {n: np.asarray(a, "f8") for n, a in model.items()}


def close(found: Mapping[str, Any], expected: Mapping[str, Any], asked: Problem) -> None:
    """Equal up to what so many roundings in the model's dtype may come to; integers to the nearest."""
    start = asked.start()
    assert start.difference(found) is None, "names, shapes and dtypes are those of the initial model"
    tolerance = {"float64": 1e-9, "float32": 2e-5, "bfloat16": 0.12}[asked.dtype]
    for name in ("w", "bn"):
        np.testing.assert_allclose(
            np.asarray(found[name], "f8"), expected[name], rtol=tolerance, atol=tolerance, err_msg=name
        )
    assert abs(float(found["count"]) - float(expected["count"])) <= 0.5 * asked.rounds, (
        "integers take the mean, each round rounded"
    )


def mean(trained: list[Wide], weights: list[float]) -> Wide:
    return {
        n: sum(w * t[n] for w, t in zip(weights, trained, strict=True)) / sum(weights) for n in trained[0]
    }
