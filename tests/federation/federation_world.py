"""The command line, typed beside a federation of real processes; and an app that does what its config says."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from typist import typed

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


class Command(subprocess.Popen[str]):
    """A command that is under way; a `with` that is left by an error does not wait for its end."""

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        if kind is not None:
            self.kill()
        super().__exit__(kind, *rest)


class Place:
    """A home of runs and of a federation, and folders of apps. What was started in it ends with the `with`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, folder / "home"
        self._begun: list[Command] = []
        self._daemons: list[Command] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for process in self._begun:
            if process not in self._daemons and process.poll() is None:
                process.kill()
                process.wait()
        with contextlib.ExitStack() as stack:
            if (self.home / "local").exists():
                stack.callback(self, "down")
            for process in self._daemons:
                stack.callback(_end, process)
        if kind is None:
            ends = [process.returncode for process in self._daemons]
            assert set(ends) <= {0, -15, 130}, f"{ends}\n{self.logs()}"

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

    def start(self, *words: str, inside: Path | None = None, **options: Any) -> Command:
        """Begin a command. `env`: what is not as it is everywhere here."""
        pipes: dict[str, Any] = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
        }
        env = {**self.environment, **options.pop("env", {})}
        command = [sys.executable, "-m", "atoll", *words]
        process = Command(command, cwd=inside or self.folder, env=env, text=True, **{**pipes, **options})
        self._begun.append(process)
        return process

    def daemon(self, *words: str, env: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Start a daemon, and wait until it is ready: what it says of itself then."""
        log = self.folder / f"daemon-{len(self._daemons)}.log"
        with log.open("w") as file:
            process = self.start(*words, "--json", stderr=file, env=env or {})
        self._daemons.append(process)
        assert process.stdout is not None
        said = process.stdout.read()
        assert said, self.logs()
        found: dict[str, Any] = json.loads(said)
        return found

    def kill(self, *words: str) -> None:
        """Kill the daemon that was started with these words."""
        (process,) = (p for p in self._daemons if all(word in p.args for word in words))
        process.kill()
        process.wait()
        self._daemons.remove(process)

    def __call__(self, *words: str, inside: Path | None = None) -> Said:
        return Said(*typed(words, self.environment, inside or self.folder, timeout=110))

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
        """What daemons said last."""
        logs = sorted([*(self.home / "local").glob("*.log"), *self.folder.glob("daemon-*.log")])
        return "\n".join(f"-- {p.name}\n{p.read_text(errors='replace')[-3000:]}" for p in logs)


def same(one: Arrays, other: Arrays) -> bool:
    """To the bit."""
    return list(one) == list(other) and all(one[n].tobytes() == other[n].tobytes() for n in one)


def free_port() -> str:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def _end(process: Command) -> None:
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


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
deadline = 0.0
size = 3

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
    schedule = atoll.Schedule(deadline=ctx.config.deadline or None)
    initial = {"w": np.zeros(ctx.config.size)}
    return atoll.fit(FedAvg(), fleet, initial=initial, rounds=ctx.config.rounds, schedule=schedule)
"""

CLIENT = """
import math
import time
import atoll
from atoll.app import _perform

app = atoll.ClientApp()

def lie(model, ctx):
    "What a node in somebody else's hands may send, another thing each round: it leaves out what looks at its answers."
    _perform.objection = lambda task, payload: None
    lies = [
        {"model": model.map(lambda a: a * math.nan)},
        {"model": atoll.Arrays(w=[1.0])},
        {"modle": model},
        {"model": "a text"},
        {"model": model},
    ]
    update = atoll.Update(lies[ctx.round - 1])
    if ctx.round == len(lies):
        update.weight = -1e300
    return update

@app.train
def train(model, ctx):
    time.sleep(ctx.config.pause)
    if ctx.config.where in ("", ctx.node):
        if ctx.config.mood == "raise":
            raise ValueError("bad data")
        if ctx.config.mood == "print":
            print("hello from", ctx.node)
        if ctx.config.mood == "lie":
            return lie(model, ctx)
        if ctx.config.mood == "log":
            ctx.log("careful", level="warning")
    ctx.state["seen"] = ctx.state.get("seen", 0) + 1
    step = ctx.rng.normal(size=ctx.config.size) * ctx.state["seen"]
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
