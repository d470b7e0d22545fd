"""The templates do what their READMEs say: they are made by `atoll new`, and run as a user runs them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from atoll import Arrays
from atoll.surfaces.cli._templates import about, missing, templates

LONG = {"jax", "lightning", "tensorflow", "text"}  # tests of more than half a minute: run by make test-long
WHOLE = {"numpy"}  # those whose own tests are all run here; of the others, what the README's run doesn't show
SOME = {"tabular-clinics": "logistic or same_seed"}  # its README's table, as far as it is quickly measured
WIDER = {  # Newton's method needs it; statistics are; trees are bytes
    "tabular-clinics": "float64",
    "analytics": "float64",
    "xgboost": "uint8",
}


def _params(long: set[str]) -> list[Any]:
    return [
        pytest.param(name, marks=[pytest.mark.timeout(300), *([pytest.mark.long] if name in long else [])])
        for name in templates()
    ]


TEMPLATES = _params(LONG)
STATED = re.compile(r"(?:`(\w+)` (?:of )?)?at (least|most)\s+\*\*([\d.]+)( %)?\*\*")


class App:
    """An app out of a template, in a folder of its own with runs of its own."""

    def __init__(self, folder: Path, template: str) -> None:
        self.template, self.folder = template, folder / "my-app"
        self._environment = {
            **os.environ,
            "ATOLL_HOME": str(folder / "home"),
            "OMP_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self.python("-m", "atoll", "new", "my-app", "--template", template, inside=folder)

    def python(self, *words: str, inside: Path | None = None) -> str:
        done = subprocess.run(
            [sys.executable, *words],
            cwd=inside or self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def read(self, name: str) -> str:
        return (self.folder / name).read_text(encoding="utf-8")

    def stated(self) -> tuple[str, Callable[[float], bool]]:
        """What the README promises of the last round: "at least **95 %**", or "`loss` at most **1.9**"."""
        metric, way, bound, percent = STATED.search(self.read("README.md")).groups()
        limit = float(bound) / (100 if percent else 1)
        return metric or "accuracy", (lambda v: v >= limit) if way == "least" else (lambda v: v <= limit)


@pytest.fixture(scope="module", params=TEMPLATES)
def app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> App:
    if lacking := missing(request.param):
        pytest.skip(f"not installed: {', '.join(lacking)}")
    return App(tmp_path_factory.mktemp(request.param), request.param)


def test_a_run_reaches_what_the_readme_says_and_its_model_is_read_as_the_readme_says(app: App) -> None:
    report = json.loads(app.python("-m", "atoll", "run", "--json"))
    metric, suffices = app.stated()
    reached = report["rounds"][-1][metric]
    assert report["status"] == "finished"
    assert suffices(reached), f"{metric} {reached}"
    app.python("-m", "atoll", "pull", "@latest", "-o", "model.safetensors")
    snippet = re.search(r"```python\n(.*?)```", app.read("README.md"), re.DOTALL).group(1)
    assert float(app.python("-c", snippet)) == pytest.approx(reached, abs=0.003)
    dtype = WIDER.get(app.template, "float32")
    assert all(a.dtype == dtype for a in Arrays.load(app.folder / "model.safetensors").values())


def test_its_own_tests_pass(app: App) -> None:
    quick = [] if app.template in WHOLE else ["-k", SOME.get(app.template, "same_seed")]
    assert "passed" in app.python("-m", "pytest", "-q", "-p", "no:cacheprovider", *quick)


@pytest.mark.parametrize("app", _params({*templates()} - {"numpy", "torch"}), indirect=True)
def test_two_workers_give_the_same_model_of_the_same_data_as_one_process(app: App) -> None:
    options = ["run", "--json", "--nodes", "4", "--set", "rounds=1", "--set", "fraction=0.5"]
    for workers in ("0", "2"):
        app.python("-m", "atoll", *options, "--workers", workers, "--name", f"with-{workers}")
        app.python("-m", "atoll", "pull", f"with-{workers}", "-o", f"{workers}.safetensors")
    models = {(app.folder / f"{workers}.safetensors").read_bytes() for workers in (0, 2)}
    assert len(models) == 1
    cards = [json.loads(app.python("-m", "atoll", "card", f"with-{n}", "--json")) for n in (0, 2)]
    assert cards[0]["data"] == cards[1]["data"] != []


def test_client_and_server_are_under_60_lines_together(app: App) -> None:
    lines = [line for name in ("client", "server") for line in app.read(f"my_app/{name}.py").splitlines()]
    assert len(lines) < 60


def test_it_says_what_it_is_in_a_line_that_help_has_room_for(app: App) -> None:
    assert 10 < len(about(app.template)) <= 59  # beside the longest name, in 80 columns


def test_no_placeholder_is_left(app: App) -> None:
    for path in app.folder.rglob("*"):
        assert "__package__" not in str(path)
        if path.suffix in (".py", ".md", ".toml"):
            text = path.read_text(encoding="utf-8")
            assert "__package__" not in text
            assert "__name__" not in text


def test_a_newcomers_linter_is_content(app: App) -> None:
    pytest.importorskip("ruff")
    app.python(
        "-m", "ruff", "check", "--isolated", "--no-cache", "--select", "E,F,W,I,B,UP,SIM,RUF,PT,C4,RET", "."
    )
    app.python("-m", "ruff", "format", "--isolated", "--no-cache", "--check", ".")
