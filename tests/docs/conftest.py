"""How the code blocks of a page are run: python executed, bash run, toml and json read.

Doesn't know which pages there are. A page is one story: its blocks share names, one folder and one ATOLL_HOME.

- a python or toml block that begins with `# some/path.py` is written to that file instead
- a bash line is run where it can be: `make TARGET` is checked to exist, what needs a network is passed over
- a bash line that ends with `# exits 2` has to exit with 2, every other with 0
"""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sybil import Document, Example, Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown import CodeBlockParser, SkipParser

ROOT = Path(__file__).parents[2]

_FILE = re.compile(r"# (?P<path>[\w/.-]+\.(?:py|toml))\n")
_EXITS = re.compile(r"^(?P<command>.*\S)\s+# exits (?P<code>\d+)$")
_PASSED_OVER = ("git clone", "pip install", "cd atoll", "source ", "eval ")


class Python(CodeBlockParser):
    """Executes a block in the page's namespace, or writes the file that it is."""

    language = "python"

    def evaluate(self, example: Example) -> None:
        if not _is_file(example):
            PythonEvaluator()(example)


class Bash(CodeBlockParser):
    """Runs a block where the page's last one ended."""

    language = "bash"

    def evaluate(self, example: Example) -> None:
        folder = _folder(example)
        lines = map(_line, str(example.parsed).splitlines())
        script = "\n".join(["set -euo pipefail", *lines, f"pwd >'{_home(example)}/pwd'"])
        done = subprocess.run(["bash", "-c", script], cwd=folder, env=_environment(example), capture_output=True,
                              text=True, stdin=subprocess.DEVNULL, timeout=100)  # fmt: skip
        assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        example.namespace["folder"] = Path((_home(example) / "pwd").read_text().strip())


class Toml(CodeBlockParser):
    """Reads a block; one with a whole [tool.atoll] table has to be an app's project file."""

    language = "toml"

    def evaluate(self, example: Example) -> None:
        text = str(example.parsed)
        document = tomllib.loads(text)
        if not _is_file(example) and {"server", "client"} <= document.get("tool", {}).get("atoll", {}).keys():
            from atoll.app import read_project

            apart = _home(example) / "project"
            apart.mkdir(exist_ok=True)
            (apart / "pyproject.toml").write_text(text)
            read_project(apart)


class Json(CodeBlockParser):
    """Reads a block."""

    language = "json"

    def evaluate(self, example: Example) -> None:
        json.loads(str(example.parsed))


@pytest.fixture
def parse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], Document]]:
    """Reads a page whose blocks will run in a folder of its own; modules that it writes are forgotten afterwards."""
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setattr(sys, "path", ["", *sys.path])  # as for a script in the folder
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("ATOLL_HOME", str(home / "runs"))
    monkeypatch.setenv("ATOLL_CONFIG", str(home / "config"))
    monkeypatch.delenv("ATOLL_CONTEXT", raising=False)
    before = set(sys.modules)

    def parsed(page: Path) -> Document:
        document = Sybil([SkipParser(), Python(), Bash(), Toml(), Json()], path=str(ROOT)).parse(page)
        document.namespace.update(__name__="__main__", home_=home, folder=work)
        return document

    yield parsed
    if (home / "runs" / "local").exists():  # a page that failed may have left a federation behind
        subprocess.run([sys.executable, "-m", "atoll", "down"], capture_output=True, timeout=60, check=False)
    for name in [n for n in sys.modules if n.startswith("my_app") and n not in before]:
        del sys.modules[name]


def _is_file(example: Example) -> bool:
    """Write the block, if its first line names a file."""
    text = str(example.parsed)
    named = _FILE.match(text)
    if named is None:
        return False
    path = _folder(example) / named["path"]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    importlib.invalidate_caches()
    return True


def _line(line: str) -> str:
    text = line.strip()
    if text.startswith(_PASSED_OVER):
        return "true"
    if text.startswith("make "):
        return f"make -n -C '{ROOT}' {text.partition('#')[0][5:]} >/dev/null"
    expected = _EXITS.match(text)
    if expected:
        return f"code=0; {expected['command']} || code=$?; test $code = {expected['code']} || exit 1"
    return line


def _folder(example: Example) -> Path:
    folder = example.namespace["folder"]
    assert isinstance(folder, Path)
    os.chdir(folder)
    return folder


def _home(example: Example) -> Path:
    home = example.namespace["home_"]
    assert isinstance(home, Path)
    return home


def _environment(example: Example) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "NO_COLOR": "1"}
