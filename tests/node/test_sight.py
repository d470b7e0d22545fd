"""Which GPUs an app sees, in a real process: those of its worker, from before its first import, whoever started the process."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from atoll.service.node import NodeSettings
from atoll.service.node._home import Home
from atoll.service.node._launch import Launcher
from atoll.service.node._resources import seeing
from atoll.service.workshop import Ready, Said, Unfit
from atoll.wire import Address, RunSpec, pack_bundle

CLIENT = """
import os
import atoll

app = atoll.ClientApp()
seen = os.environ["CUDA_VISIBLE_DEVICES"]
if seen != "1,GPU-7":
    raise RuntimeError(f"sees {seen}")
"""


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """What a worker says of the app when it sees some GPUs of a daemon that sees others."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3")
    app = tmp_path / "app"
    app.mkdir()
    (app / "client.py").write_text(CLIENT)
    (app / "pyproject.toml").write_text('[tool.atoll]\nserver = "client:app"\nclient = "client:app"\n')
    bundle = pack_bundle(app)
    home = Home(tmp_path / "home")
    settings = NodeSettings(coordinator=Address("http://127.0.0.1:1"), name="n", home=str(tmp_path / "home"))
    launcher = Launcher(settings, home, lambda _: bundle.body)
    spec = RunSpec(run="r", name="r", federation="f", bundle=bundle.digest, client="client:app")

    def load(*devices: str) -> Any:
        told: queue.SimpleQueue[Any] = queue.SimpleQueue()
        worker = launcher.launch(spec, lambda _, word: told.put(word), variables=seeing(devices))
        while isinstance(word := told.get(timeout=30), Said):
            pass
        worker.end(kill=True)
        while told.get(timeout=30) is not None:
            pass
        return word

    yield load
    launcher.close()
    home.close()


def test_an_app_sees_the_gpus_of_its_worker_and_no_other(loaded: Any):
    assert isinstance(loaded("1", "GPU-7"), Ready)
    assert isinstance(loaded("1", "GPU-7"), Ready), (
        "in a process that was ready before anybody knew which, as well"
    )
    unfit = loaded()
    assert isinstance(unfit, Unfit)
    assert "sees -1" in unfit.message
