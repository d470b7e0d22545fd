"""A model is evaluated where the data is: means by weight, and what each node said."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import atoll
from atoll.algorithms import Evaluation, evaluate
from atoll.values import TooFewReplies

sys.path.insert(0, str(Path(__file__).parent))
from by_site import Power, cut_and_resumed, simulated, table

MODEL = {"w": np.array(2.0)}


def client() -> atoll.ClientApp:
    app = atoll.ClientApp()

    @app.evaluate
    def evaluate(model: Any, ctx: Any) -> atoll.Update:
        x = ctx.data["rows"]["x"]
        if not len(x):
            raise ValueError("there is nothing here")
        error = float(np.mean((x - model["w"]) ** 2)) * ctx.config.get("scale", 1.0)
        return atoll.Update(
            weight=len(x), metrics={"error": error, "site": ctx.node, "all": bool((x > 0).all())}
        )

    @app.query
    def odd(model: Any, ctx: Any) -> atoll.Update:
        mine = {"only": 3.0} if ctx.node == "node-1" else {}
        return atoll.Update(weight=int(ctx.node[-1]), metrics={"error": math.nan, **mine})

    return app


def evaluated(sites: list[list[float]], **options: Any) -> Evaluation:
    found: list[Evaluation] = []
    simulated(
        lambda fleet, ctx: found.append(evaluate(fleet, MODEL, **options)),
        client(),
        table(sites),
        nodes=len(sites),
    )
    return found[0]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.lists(st.floats(-100, 100), min_size=1, max_size=5), min_size=1, max_size=5))
def test_the_mean_by_weight_is_that_over_the_pooled_rows(sites: list[list[float]]) -> None:
    whole = np.array([x for site in sites for x in site])
    assert evaluated(sites).metrics["error"] == pytest.approx(np.mean((whole - 2) ** 2), rel=1e-12)


def test_what_each_node_said_is_a_table() -> None:
    found = evaluated([[1, 2], [5]])
    assert found.table() == {
        "node": ["node-0", "node-1"],
        "weight": [2.0, 1.0],
        "error": [0.5, 9.0],
        "site": ["node-0", "node-1"],
        "all": [True, True],
    }
    assert set(found.metrics) == {"error", "all"}, "a text has no mean"


def test_a_node_that_failed_is_named_and_does_not_count() -> None:
    found = evaluated([[1, 2], []])
    assert list(found.nodes) == ["node-0"]
    assert [(f.node, f.kind) for f in found.failures] == [("node-1", "raised")]
    with pytest.raises(TooFewReplies):
        evaluated([[1, 2], []], schedule=atoll.Schedule(minimum=2))


def test_config_reaches_the_nodes() -> None:
    assert evaluated([[3]], config={"scale": 10.0}).metrics["error"] == 10.0


def test_a_metric_is_averaged_over_those_that_report_it_as_a_number() -> None:
    found = evaluated([[1], [1], [1]], action="odd")
    assert found.metrics == {"only": 3.0}
    assert found.table()["only"] == [None, 3.0, None]


def test_an_evaluation_that_was_cut_off_asks_nobody_again(tmp_path: Path) -> None:
    app, asked, found = atoll.ClientApp(), [], []

    @app.evaluate
    def evaluated(model: Any, ctx: Any) -> dict[str, Any]:
        asked.append(ctx.node)
        return {"n": len(ctx.data["rows"])}

    def main(fleet: Any, ctx: Any) -> None:
        found.append(evaluate(fleet, MODEL).metrics)
        if len(found) == 1:
            raise Power

    cut_and_resumed(main, app, table([[1], [2, 3]]), tmp_path, nodes=2)
    assert found == [{"n": 1.5}] * 2
    assert asked == ["node-0", "node-1"]
