"""Runs the Flower half of the conversion as its user would: a SuperLink that simulates, and `flwr run`.

Doesn't know Atoll, but for the partition that both halves have. Everything stays on loopback, in one folder.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from _peers import ensure, quiet
from atoll.data import Table
from atoll.runtime import Parts

APP = Path(__file__).parent / "flower_app"
PATIENCE = 60.0  # seconds until a SuperLink listens
Part = Mapping[str, Table]


@dataclass(frozen=True)
class Outcome:
    """The accuracy after each round, and the last model by name."""

    accuracy: list[float]
    model: dict[str, np.ndarray[Any, Any]]


class Flower:
    """A SuperLink in simulation mode, from `with` to its end. Raises CalledProcessError where flwr can't be installed."""

    def __init__(self, folder: Path, *, nodes: int) -> None:
        self._folder, self._nodes, self._bin = folder, nodes, ensure("flwr").parent
        self._port = free_port()
        self._environment = {
            **os.environ,
            **quiet(),
            "FLWR_HOME": str(folder / "flwr"),
            "PATH": f"{self._bin}{os.pathsep}{os.environ['PATH']}",
            "PYTHONHASHSEED": "0",
            "OMP_NUM_THREADS": "1",
        }

    def __enter__(self) -> Self:
        (self._folder / "flwr").mkdir(parents=True)
        (self._folder / "flwr" / "config.toml").write_text(
            f'[superlink]\ndefault = "here"\n\n[superlink.here]\naddress = "127.0.0.1:{self._port}"\ninsecure = true\n'
        )
        self._log = open(self._folder / "superlink.log", "wb")
        command = ["--insecure", "--simulation", "--host", "127.0.0.1", "--port", str(self._port)]
        command.append("--disable-runtime-dependency-installation")
        self._superlink = subprocess.Popen(
            [self._bin / "flower-superlink", *command],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        try:
            self._wait()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def run(self, parts: Parts, name: str, **settings: object) -> Outcome:
        """One run of the app on these parts; settings are of its `[tool.flwr.app.config]`, with `_` for `-`."""
        folder = self._folder / name
        folder.mkdir()
        for node in range(self._nodes):
            for split, table in parts(f"node-{node}").items():
                rows = table[np.arange(len(table))]
                np.savez(folder / f"{node}-{split}.npz", image=rows["image"], label=rows["label"])
        out = folder / "final_model.npz"
        settings |= {"parts": f'"{folder}"', "out": f'"{out}"'}
        config = " ".join(f"{key.replace('_', '-')}={value}" for key, value in settings.items())
        federation = f"num-supernodes={self._nodes} init-args-num-cpus=2"
        done = subprocess.run(
            [self._bin / "flwr", "run", APP, "here", "--stream",
             "--run-config", config, "--federation-config", federation],
            env=self._environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert out.exists(), f"{done.stdout}\n{done.stderr}\n{self._tail()}"
        with np.load(out) as found:
            model = {key: found[key] for key in found.files if key != "accuracy"}
            return Outcome(found["accuracy"].tolist(), model)

    def _wait(self) -> None:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and self._superlink.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self._port)) == 0:
                    return
            select.select([], [], [], 0.1)  # it tells nobody when it listens
        raise AssertionError(f"no SuperLink\n{self._tail()}")

    def _end(self) -> None:
        self._superlink.terminate()
        try:
            self._superlink.wait(20)
        except subprocess.TimeoutExpired:
            self._superlink.kill()
            self._superlink.wait()
        self._log.close()

    def _tail(self) -> str:
        return (self._folder / "superlink.log").read_text(errors="replace")[-6000:]


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])
