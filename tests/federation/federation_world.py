"""The command line, typed beside a federation of real processes; and an app that does what its config says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import atoll
from atoll import Arrays


@dataclass(frozen=True)
class Said:
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


class Place:
    """A home of runs and of a federation, and folders of apps."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, folder / "home"

    @property
    def environment(self) -> dict[str, str]:
        kept = {n: v for n, v in os.environ.items() if n not in ("ATOLL_CONTEXT", "ATOLL_TOKEN")}
        source = str(Path(atoll.__file__).parents[1])
        return {
            **kept,
            "ATOLL_HOME": str(self.home),
            "ATOLL_CONFIG": str(self.folder / "config"),
            "PYTHONPATH": source,
        }

    def start(self, *words: str, inside: Path | None = None, **options: Any) -> subprocess.Popen[str]:
        pipes: dict[str, Any] = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
        }
        command = [sys.executable, "-m", "atoll", *words]
        return subprocess.Popen(
            command, cwd=inside or self.folder, env=self.environment, text=True, **{**pipes, **options}
        )

    def __call__(self, *words: str, inside: Path | None = None) -> Said:
        with self.start(*words, inside=inside) as process:
            out, err = process.communicate(timeout=110)
        return Said(process.returncode, out, err)

    def well(self, *words: str, inside: Path | None = None) -> Said:
        """A command that has to end well."""
        said = self(*words, inside=inside)
        assert said.code == 0, f"atoll {' '.join(words)}: {said.code}\n{said.out}\n{said.err}\n{self.logs()}"
        return said

    def model(self, run: str, *words: str) -> Arrays:
        """A run's model, taken home."""
        path = self.folder / f"{run}.safetensors"
        self.well("pull", run, "-o", str(path), *words)
        return Arrays.load(path)

    def app(self, template: str) -> Path:
        """An app out of a template."""
        folder = self.folder / f"{template}-app"
        if not folder.exists():
            self.well("new", folder.name, "--template", template)
        return folder

    def logs(self) -> str:
        """What the processes of the local federation said last."""
        logs = sorted((self.home / "local").glob("*.log"))
        return "\n".join(f"-- {p.name}\n{p.read_text(errors='replace')[-3000:]}" for p in logs)


def same(one: Arrays, other: Arrays) -> bool:
    """To the bit."""
    return list(one) == list(other) and all(one[n].tobytes() == other[n].tobytes() for n in one)


def processes(folder: Path, words: str = "") -> dict[int, str]:
    """Of all on this machine, those that are about a folder (by their command, environment or directory), by their ids."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            told = (
                command.encode() + (entry / "environ").read_bytes() + os.fsencode(os.readlink(entry / "cwd"))
            )
        except OSError:
            continue
        if os.fsencode(folder) in told and words in command:
            found[int(entry.name)] = command
    return found


PROJECT = """
[project]
name = "tiny"
version = "0.1.0"

[tool.atoll]
server = "tiny.server:app"
client = "tiny.client:app"

[tool.atoll.config]
rounds = 3
pause = 0.0
mood = ""
where = ""

[tool.atoll.simulation]
nodes = 3
workers = 0
save = "always"
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
    if ctx.config.mood == "break":
        breakpoint()
    return atoll.fit(FedAvg(), fleet, initial={"w": np.zeros(3)}, rounds=ctx.config.rounds)
"""

CLIENT = """
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
        if ctx.config.mood == "log":
            ctx.log("careful", level="warning")
    ctx.state["seen"] = ctx.state.get("seen", 0) + 1
    step = ctx.rng.normal(size=3) * ctx.state["seen"]
    return atoll.Update({"w": model["w"] + step}, weight=1, metrics={"seen": ctx.state["seen"]})
"""


def write_app(folder: Path) -> Path:
    """The app, in a folder."""
    if not folder.exists():
        package = folder / "tiny"
        package.mkdir(parents=True)
        (folder / "pyproject.toml").write_text(PROJECT)
        (package / "__init__.py").touch()
        (package / "server.py").write_text(SERVER)
        (package / "client.py").write_text(CLIENT)
    return folder
