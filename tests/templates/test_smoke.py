"""The templates that take long to test as a whole do run: a round of three nodes, and the model is taken home."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from atoll import Arrays
from atoll.surfaces.cli._templates import missing


@pytest.mark.timeout(300)
@pytest.mark.parametrize("template", ["jax", "lightning", "tensorflow", "text"])
def test_a_round_of_three_nodes_runs(template: str, tmp_path: Path) -> None:
    if lacking := missing(template):
        pytest.skip(f"not installed: {', '.join(lacking)}")

    def atoll(*words: str, inside: Path) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "atoll", *words],
            cwd=inside,
            env={**os.environ, "ATOLL_HOME": str(tmp_path / "home")},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    atoll("new", "my-app", "--template", template, inside=tmp_path)
    app = tmp_path / "my-app"
    settings = [
        "--nodes",
        "3",
        "--workers",
        "0",
        "--set",
        "rounds=1",
    ]  # no worker has to read the framework too
    report = json.loads(atoll("run", "--json", *settings, inside=app))
    assert report["status"] == "finished"
    assert 0 < report["rounds"][0]["accuracy"] <= 1
    atoll("pull", "@latest", "-o", "model.safetensors", inside=app)
    assert Arrays.load(app / "model.safetensors").nbytes > 50_000
