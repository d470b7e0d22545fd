"""FedBuff steps whenever its buffer is full, and old updates count less; its stream stays open from round to round."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from app_world import World
from hypothesis import given
from hypothesis import strategies as st
from methods_app import Problem, algorithm, client, settings
from methods_world import run, some

from atoll import Arrays, Task, fit
from atoll.algorithms import FedBuff
from atoll.app import Reply
from atoll.journal import Accepted, Called, SqliteJournal
from atoll.values import ConfigError, Metrics


@dataclass
class Line:
    """An ask that answers a stream with what it was told to; a fake of what `fit` hands in."""

    waiting: list[Reply]
    asked: list[Any] = field(default_factory=list)
    nodes: tuple[str, ...] = ("a", "b")
    expected: int = 2

    def stream(self, task: Task, *, concurrency: int) -> Iterator[Reply]:
        self.asked.append((task, concurrency))
        while self.waiting:
            yield self.waiting.pop(0)


def reply(index: int, old: Arrays, new: dict[str, Any], *, weight: float, staleness: int) -> Reply:
    made = FedBuff.half(old).update(new, weight=weight)
    return Reply(
        index,
        f"node-{index}",
        "train",
        weight=weight,
        metrics=Metrics({}),
        staleness=staleness,
        payload=made.payload,
    )


@some
@given(seed=st.integers(0, 2**32 - 1), buffer=st.integers(1, 5), dtype=st.sampled_from(["f4", "f8", "bfloat16"]),
       lr=st.sampled_from([1.0, 0.3]), power=st.sampled_from([0.0, 0.5, 1.0]))  # fmt: skip
def test_a_step_is_the_mean_of_changes_that_count_less_the_older_they_are(
    seed: int, buffer: int, dtype: str, lr: float, power: float
) -> None:
    """Nguyen et al. 2022, algorithm 1: x <- x + lr/K sum s(t_k) (y_k - x_k), s(t) = 1/(1 + t)^power; equal weights are the paper's."""
    rng = np.random.default_rng(seed)
    kind = ml_dtypes.bfloat16 if dtype == "bfloat16" else np.dtype(dtype)

    def model() -> Arrays:
        return Arrays(w=rng.uniform(-1, 1, (2, 3)).astype(kind), count=np.array(int(rng.integers(0, 90))))

    x = model()
    olds, news = [model() for _ in range(buffer)], [model() for _ in range(buffer)]
    weights, stale = rng.integers(1, 4, buffer).astype(float).tolist(), rng.integers(0, 4, buffer).tolist()
    line = Line(
        [
            reply(k, o, dict(n), weight=w, staleness=s)
            for k, (o, n, w, s) in enumerate(zip(olds, news, weights, stale, strict=True))
        ]
    )
    found = FedBuff(buffer=buffer, concurrency=7, lr=lr, staleness=power).round({"model": x}, line)["model"]  # type: ignore[arg-type]
    change = sum(w / (1 + s) ** power * (n["w"].astype("f8") - o["w"].astype("f8"))
                 for w, s, o, n in zip(weights, stale, olds, news, strict=True)) / sum(weights)  # fmt: skip
    tolerance = {"f8": 1e-12, "f4": 1e-6, "bfloat16": 3e-2}[dtype]
    np.testing.assert_allclose(
        found["w"].astype("f8"), x["w"].astype("f8") + lr * change, rtol=tolerance, atol=tolerance
    )
    assert (
        abs(found["count"] - sum(w * n["count"] for w, n in zip(weights, news, strict=True)) / sum(weights))
        <= 0.5
    )
    assert x.difference(found) is None
    assert line.asked[0][1] == 7


def test_a_run_goes_to_where_the_nodes_agree_and_tells_of_their_training() -> None:
    asked = Problem(seed=2, nodes=4, rounds=60, even=True)
    history = run("FedBuff", asked, buffer=2, concurrency=3)
    nodes = [asked.node(k) for k in range(4)]
    center = sum(k.steepness * k.targets["w"] for k in nodes) / sum(k.steepness for k in nodes)
    assert np.abs(history.model["w"] - center).max() < 0.5
    assert len(history.rounds()) == 60


def test_the_stream_stays_open_so_that_replies_are_older_than_one_step(tmp_path: Path) -> None:
    """Were it opened anew in each round, no reply would ever be stale, and what was under way would be lost."""
    asked = Problem(seed=2, nodes=4, rounds=6)
    config = settings("FedBuff", asked, buffer=2, concurrency=3)
    world = World(client, SqliteJournal(tmp_path), config=config)
    world.go(lambda fleet, ctx: fit(algorithm(ctx.config), fleet, initial=asked.start(), rounds=6))
    accepted = world.events(Accepted)
    assert len(accepted) == 6 * 2
    assert max(e.staleness for e in accepted) > 0
    assert sum(len(e.calls) for e in world.events(Called)) <= 6 * 2 + 3, (
        "nobody was asked in vain but the last"
    )


def test_a_change_of_another_model_is_refused() -> None:
    small, large = Arrays(w=np.zeros(2)), Arrays(w=np.zeros(3))
    bad = reply(0, large, large.copy(), weight=1.0, staleness=0)
    good = reply(1, small, small.map(lambda a: a + 1), weight=1.0, staleness=0)
    state = FedBuff(buffer=1).round({"model": small}, Line([bad, good]))  # type: ignore[arg-type]
    assert "the returned `change` is not fit" in bad.refusal
    assert state["model"]["w"].tolist() == [1, 1]
    assert not good.refusal


@pytest.mark.parametrize(
    "options", [{"buffer": 0}, {"concurrency": 0}, {"lr": 0.0}, {"staleness": -1.0}], ids=str
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as refused:
        FedBuff(**options)
    assert refused.value.code == "algorithm.invalid"
