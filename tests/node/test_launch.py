"""Starting workers: while none runs one process is ready, and the next run takes it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from atoll.service.node import NodeSettings
from atoll.service.node._home import Home
from atoll.service.node._launch import Launcher
from atoll.service.workshop import Ready
from atoll.wire import Address, RunSpec, pack_bundle

CLIENT = """
import atoll

app = atoll.ClientApp()


@app.train
def train(model, ctx):
    return atoll.Update(model)
"""


class Launched:
    """A launcher whose home is a folder, with one app."""

    def __init__(self, folder: Path) -> None:
        (folder / "app").mkdir()
        (folder / "app" / "client.py").write_text(CLIENT)
        (folder / "app" / "pyproject.toml").write_text(
            '[project]\nname = "a"\nversion = "1"\n[tool.atoll]\nclient = "client:app"\n'
        )
        self.bundle = pack_bundle(folder / "app")
        settings = NodeSettings(
            coordinator=Address("http://127.0.0.1:1"), name="n", home=str(folder / "home")
        )
        self.home = Home(folder / "home")
        self.launcher = Launcher(settings, self.home, lambda _: self.bundle.body)

    def worker(self) -> tuple[Any, threading.Event]:
        ready, ended = threading.Event(), threading.Event()

        def hear(_: Any, told: Any) -> None:
            if isinstance(told, Ready):
                ready.set()
            if told is None:
                ended.set()

        spec = RunSpec(run="r", name="r", federation="f", bundle=self.bundle.digest, seed=1, client="client:app", nodes=["n"])  # fmt: skip
        worker = self.launcher.launch(spec, hear)
        assert ready.wait(30)
        return worker, ended

    @property
    def spare(self) -> int | None:
        spare = self.launcher._spare
        return None if spare is None else spare.child.pid


@pytest.fixture
def launched(tmp_path: Path) -> Iterator[Launched]:
    made = Launched(tmp_path)
    yield made
    made.launcher.close()
    made.home.close()


def test_a_run_takes_the_process_that_is_ready_and_there_is_another_when_it_is_over(launched):
    launched.launcher.be_ready()
    first = launched.spare
    assert first is not None
    worker, ended = launched.worker()
    assert worker.pid == first
    launched.launcher.be_ready()
    assert launched.spare is None, "only while nothing runs"
    worker.end()
    assert ended.wait(30)
    with launched.launcher._changed:
        assert launched.launcher._changed.wait_for(lambda: launched.spare is not None, 30)
    assert launched.spare != first


def test_nothing_is_left_of_what_was_ready(launched):
    launched.launcher.be_ready()
    pid = launched.spare
    child = launched.launcher._spare.child
    launched.launcher.close()
    child.join()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    launched.launcher.be_ready()
    assert launched.spare is None
