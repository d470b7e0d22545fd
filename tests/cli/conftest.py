"""A tiny app, and the command line as a process of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import atoll

PROJECT = """
[project]
name = "tiny"
version = "0.1.0"

[tool.atoll]
server = "tiny.server:app"
client = "tiny.client:app"

[tool.atoll.config]
rounds = 3
lr = 0.5
pause = 0.0
mood = ""
where = ""

[tool.atoll.simulation]
nodes = 3
workers = 0
"""

SERVER = """
import numpy as np
import atoll
from atoll.algorithms import FedAvg

app = atoll.ServerApp()

@app.main
def main(fleet, ctx):
    if ctx.config.mood == "unwell":
        raise ValueError("the server is unwell")
    if ctx.config.mood == "typo":
        return ctx.config.rouns
    return atoll.fit(FedAvg(), fleet, initial={"w": np.zeros(3)}, rounds=ctx.config.rounds)
"""

CLIENT = """
import os
import time
import atoll

app = atoll.ClientApp()

@app.train
def train(model, ctx):
    time.sleep(ctx.config.pause)
    if ctx.config.where in ("", ctx.node):
        if ctx.config.mood == "raise":
            raise ValueError("bad data")
        if ctx.config.mood == "print":
            print("hello from", ctx.node)
        if ctx.config.mood == "child":
            os.system("echo from a child")
        if ctx.config.mood == "log":
            ctx.log("careful", level="warning")
        if ctx.config.mood == "break":
            breakpoint()
    loss = float("nan") if ctx.config.mood == "nan" else 1 / (ctx.round + 1)
    return atoll.Update({"w": model["w"] + ctx.config.lr * ctx.rng.normal(size=3)}, metrics={"loss": loss})
"""


@dataclass(frozen=True)
class Said:
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Shell:
    """A folder, a home of runs, and `atoll` typed there."""

    folder: Path
    home: Path
    compiled: Path  # so that not every command compiles atoll again

    @property
    def environment(self) -> dict[str, str]:
        source = str(Path(atoll.__file__).parents[1])
        kept = {n: v for n, v in os.environ.items() if n not in ("PYTHONDONTWRITEBYTECODE", "ATOLL_CONTEXT")}
        return {**kept, "ATOLL_HOME": str(self.home), "ATOLL_CONFIG": str(self.home.parent / "config"), "PYTHONPATH": source, "PYTHONPYCACHEPREFIX": str(self.compiled)}

    def at(self, folder: Path) -> Shell:
        """The same home, seen from another folder."""
        return replace(self, folder=folder)

    def start(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        command = [sys.executable, "-m", "atoll", *words]
        return subprocess.Popen(command, cwd=self.folder, env=self.environment, text=True, **{**pipes, **options})

    def __call__(self, *words: str, given: str | None = None) -> Said:
        with self.start(*words, stdin=subprocess.DEVNULL if given is None else subprocess.PIPE) as process:
            out, err = process.communicate(given, timeout=60)
        return Said(process.returncode, out, err)


def write_app(folder: Path) -> Path:
    package = folder / "tiny"
    package.mkdir(parents=True)
    (folder / "pyproject.toml").write_text(PROJECT)
    (package / "__init__.py").touch()
    (package / "server.py").write_text(SERVER)
    (package / "client.py").write_text(CLIENT)
    return folder


@pytest.fixture
def shell(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """In a tiny app's folder, with no runs yet."""
    return Shell(write_app(tmp_path / "app"), tmp_path / "home", tmp_path_factory.getbasetemp() / "compiled")


@pytest.fixture(scope="session")
def past(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """With three runs in the past, only to be read: good, flaky (node-1 raises), bad (the server raises)."""
    folder = tmp_path_factory.mktemp("past")
    shell = Shell(write_app(folder / "app"), folder / "home", tmp_path_factory.getbasetemp() / "compiled")
    shell("run", "--name", "good", "--set", "mood=log", "--set", "where=node-2")
    shell("run", "--name", "flaky", "--set", "mood=raise", "--set", "where=node-1")
    shell("run", "--name", "bad", "--set", "mood=unwell")
    return shell


@pytest.fixture(scope="session")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an app and its first run, to be copied."""
    folder = tmp_path_factory.mktemp("begun")
    shell = Shell(write_app(folder / "app"), folder / "home", tmp_path_factory.getbasetemp() / "compiled")
    assert shell("run", "--name", "first", "--set", "lr=0.25", "--seed", "7", "--nodes", "4").code == 0
    return folder


@pytest.fixture
def first(begun: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """In an app's folder, with one run: `first`."""
    place = shutil.copytree(begun, tmp_path / "place")
    return Shell(place / "app", place / "home", tmp_path_factory.getbasetemp() / "compiled")


@pytest.fixture
def reading() -> Callable[[subprocess.Popen[str], int], None]:
    """Read what a process says until it tells that a round is done."""

    def until(process: subprocess.Popen[str], round: int) -> None:
        assert process.stdout is not None
        lines: Iterator[str] = iter(process.stdout.readline, "")
        assert any(re.search(rf"\bround +{round}/", line) for line in lines), f"round {round} never came"

    return until
