"""The types that a user's editor shows are those that the docs promise: a user's app, read by mypy in strict mode."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

APP = """
from collections.abc import Mapping, Sequence
from typing import Any, assert_type

import numpy as np
import atoll
from atoll import Arrays, Context, Fleet, Mean, Reply, Schedule, ServerContext, Task, Update
from atoll.algorithms import FedAvg, FedAvgM
from atoll.data import Dirichlet, Table, samples

client, server = atoll.ClientApp(), atoll.ServerApp()


@client.train
def train(model: Arrays, ctx: Context) -> Update:
    assert_type(model["w"], np.ndarray[Any, np.dtype[Any]])
    assert_type(model.copy(), dict[str, np.ndarray[Any, np.dtype[Any]]])
    assert_type(ctx.rng, np.random.Generator)
    assert_type(ctx.keep(make, 3), list[int])
    assert_type(ctx.node, str)
    assert_type(ctx.round, int)
    return Update(model, weight=3, metrics={"loss": 0.5})


@client.query
def rows(ctx: Context) -> dict[str, int]:
    return {"rows": 1}


def make(n: int) -> list[int]:
    return [0] * n


@server.main
def main(fleet: Fleet, ctx: ServerContext) -> Arrays:
    assert_type(fleet.nodes, Sequence[str])
    for rnd in ctx.rounds(3, initial={"model": Arrays(w=np.zeros(2))}):
        assert_type(rnd.number, int)
        assert_type(rnd.state, Mapping[str, Arrays])
        mean = Mean()
        replies = fleet.ask(Task("train", {"model": rnd.state["model"]}), Schedule(fraction=0.5))
        for reply in replies:
            assert_type(reply, Reply)
            assert_type(reply.arrays, Arrays)
            assert_type(reply.weight, float)
            mean.add(reply)
        assert_type(replies.failures, Sequence[atoll.Failure])
        rnd.commit({"model": mean.finish()}, metrics={"loss": 1.0})
    with fleet.stream(Task("train"), concurrency=2) as stream:
        for late in stream:
            assert_type(late.staleness, int)
    return atoll.fit(FedAvg() if ctx.seed else FedAvgM(momentum=0.9), fleet, initial={"w": np.zeros(2)}, rounds=2,
                     schedule=Schedule(count=3), evaluate=lambda model, number: {"n": len(model)},
                     stop=lambda rows: len(rows) > 3, best="-loss")


assert_type(train(Arrays(), Context.__new__(Context)), Update)
assert_type(samples.digits(), dict[str, Table])
history = atoll.simulate(server, client, nodes=3, rounds=2, config={"lr": 0.1}, data=samples.digits, partition=Dirichlet(alpha=0.1))
assert_type(history, atoll.History)
assert_type(history.model, Arrays)
assert_type(history.best("accuracy"), dict[str, float | int | bool | str])
assert_type(history.rounds(), list[dict[str, float | int | bool | str]])
"""

WRONG = {
    'atoll.Schedule(0.5)': "Too many positional arguments",
    'atoll.Schedule(fractoin=0.5)': "Unexpected keyword argument",
    'atoll.Update(weight="heavy")': "incompatible type",
    'atoll.simulate(client, server)': "incompatible type",
    'atoll.Arrays(w=1).digest = "x"': "read-only",
    'atoll.ClientAp()': "has no attribute",
}  # fmt: skip


TORCH = """
import torch
from typing import assert_type
from atoll import Arrays
from atoll.torch import get_arrays, set_arrays

net = torch.nn.Linear(2, 3)
assert_type(get_arrays(net), Arrays)
set_arrays(net, get_arrays(net))
"""

MISTAKES = "import atoll\nclient, server = atoll.ClientApp(), atoll.ServerApp()\n" + "\n".join(WRONG)
FRAMEWORKS = (
    "jax flax optax keras tensorflow transformers lightning xgboost sklearn datasets"  # these apps have none
)


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What mypy says of each of the apps; it reads them together, and what they import once."""
    if importlib.util.find_spec("mypy") is None:
        pytest.skip("mypy is not installed")
    folder = tmp_path_factory.mktemp("apps")
    apps = {"typed.py": APP, "mistaken.py": MISTAKES}
    if importlib.util.find_spec("torch") is not None:
        apps["torch_user.py"] = TORCH
    for name, text in apps.items():
        (folder / name).write_text(text)
    skipped = ",".join(f"mypy-{name}.*" for name in FRAMEWORKS.split())
    (folder / "mypy.ini").write_text(
        f"[mypy]\n[{skipped}]\nfollow_imports = skip\nfollow_imports_for_stubs = true\n"
    )
    words = ["--strict", "--no-error-summary", "--cache-dir", str(_cache()), *apps]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "NO_COLOR": "1"},
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 1, "mypy could not read them: " + done.stdout + done.stderr
    assert all(line.startswith(tuple(apps)) for line in lines), done.stdout
    return {name: [line for line in lines if line.startswith(name)] for name in apps}


def _cache() -> Path:
    return Path(__file__).parents[1] / ".mypy_cache" / "user"


def test_a_typed_app_has_the_types_that_are_documented(said: dict[str, list[str]]) -> None:
    assert said["typed.py"] == []


def test_mistakes_are_seen_before_they_are_run(said: dict[str, list[str]]) -> None:
    told = {int(line.split(":")[1]): line for line in said["mistaken.py"] if ": error:" in line}
    for number, (mistake, words) in enumerate(WRONG.items(), start=3):
        assert words in told.get(number, "nothing"), f"{mistake}: {told.get(number, 'nothing')}"


def test_torch_models_have_types_too(said: dict[str, list[str]]) -> None:
    if "torch_user.py" not in said:
        pytest.skip("torch is not installed")
    assert said["torch_user.py"] == []
