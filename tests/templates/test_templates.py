"""The templates do what their READMEs say: they are made by `atoll new`, and run as a user runs them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from atoll import Arrays

TEMPLATES = [
    pytest.param("numpy", id="numpy"),
    pytest.param("torch", id="torch", marks=pytest.mark.timeout(300)),
]
NEEDS = {"numpy": ["sklearn"], "torch": ["torch", "mlxtend"]}


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

    def stated_accuracy(self) -> float:
        return float(re.search(r"at least \*\*(\d+) %\*\*", self.read("README.md")).group(1)) / 100


@pytest.fixture(scope="module", params=TEMPLATES)
def app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> App:
    for package in NEEDS[request.param]:
        pytest.importorskip(package)
    return App(tmp_path_factory.mktemp(request.param), request.param)


def test_a_run_reaches_the_accuracy_of_the_readme_and_its_model_is_read_as_the_readme_says(app: App) -> None:
    report = json.loads(app.python("-m", "atoll", "run", "--json"))
    reached = report["rounds"][-1]["accuracy"]
    assert report["status"] == "finished"
    assert reached >= app.stated_accuracy()
    app.python("-m", "atoll", "pull", "@latest", "-o", "model.safetensors")
    snippet = re.search(r"```python\n(.*?)```", app.read("README.md"), re.DOTALL).group(1)
    assert float(app.python("-c", snippet)) == pytest.approx(reached, abs=0.003)
    assert all(a.dtype == "float32" for a in Arrays.load(app.folder / "model.safetensors").values())


def test_its_own_tests_pass(app: App) -> None:
    quick = ["-k", "same_seed"] if app.template == "torch" else []  # its accuracy was seen above
    assert "passed" in app.python("-m", "pytest", "-q", "-p", "no:cacheprovider", *quick)


def test_two_workers_give_the_same_model_as_one_process(app: App) -> None:
    options = ["run", "--json", "--nodes", "4", "--set", "rounds=1", "--set", "fraction=0.5"]
    for workers in ("0", "2"):
        app.python("-m", "atoll", *options, "--workers", workers, "--name", f"with-{workers}")
        app.python("-m", "atoll", "pull", f"with-{workers}", "-o", f"{workers}.safetensors")
    models = {(app.folder / f"{workers}.safetensors").read_bytes() for workers in (0, 2)}
    assert len(models) == 1


def test_client_and_server_are_under_60_lines_together(app: App) -> None:
    lines = [line for name in ("client", "server") for line in app.read(f"my_app/{name}.py").splitlines()]
    assert len(lines) < 60


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
