"""A project is read from its pyproject.toml; what is wrong with it is told with the place and the mend."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from atoll.app import read_project, resolve
from atoll.values import ConfigError

GOOD = """
[project]
name = "my-app"
[tool.atoll]
server = "{package}.server:app"
client = "{package}.client:app"
[tool.atoll.config]
rounds = 5
[tool.atoll.simulation]
nodes = 3
"""
SERVER = "import atoll\napp = atoll.ServerApp()\nother = 3\n"
CLIENT = "import atoll\napp = atoll.ClientApp()\n"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    path, modules = list(sys.path), set(sys.modules)
    package = tmp_path / f"app_{tmp_path.name.replace('-', '_')}"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "server.py").write_text(SERVER)
    (package / "client.py").write_text(CLIENT)
    (tmp_path / "pyproject.toml").write_text(GOOD.format(package=package.name))
    yield tmp_path
    sys.path[:] = path
    for module in set(sys.modules) - modules:
        del sys.modules[module]


def refusal(folder: Path, text: str) -> ConfigError:
    (folder / "pyproject.toml").write_text(text)
    with pytest.raises(ConfigError) as refused:
        read_project(folder)
    return refused.value


def test_a_project_is_what_its_file_says(folder: Path) -> None:
    project = read_project(folder)
    assert (project.name, project.config.rounds, project.simulation["nodes"]) == ("my-app", 5, 3)
    assert type(project.server_app()).__name__ == "ServerApp"
    assert type(project.client_app()).__name__ == "ClientApp"


def test_the_digest_is_that_of_the_sources(folder: Path) -> None:
    before = read_project(folder).digest()
    assert read_project(folder).digest() == before
    source = next(folder.glob("app_*")) / "client.py"
    source.write_text(CLIENT + "# changed\n")
    assert read_project(folder).digest() != before


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [("x = [", "project.malformed", "can't be read"), ("[project]\nname = 'x'", "project.no-atoll", "[tool.atoll]"),
     ("[tool]\natoll = 3", "project.no-atoll", "[tool.atoll]"), ("tool = 3", "project.no-atoll", "[tool.atoll]"),
     ("[tool.atoll]\nserver = 'a:b'", "project.no-app", "client"), ("[tool.atoll]\nserver = 'a'\nclient = 'b:c'", "project.no-app", "server"),
     ("[tool.atoll]\nserver = 3\nclient = 'b:c'", "project.no-app", "server"),
     ("[tool.atoll]\nserver = 'a:b'\nclient = 'b:c'\nconfg = 3", "project.unknown-key", "confg"),
     ("[tool.atoll]\nserver = 'a:b'\nclient = 'b:c'\nconfig = 3", "project.bad-type", "config"),
     ("[tool.atoll]\nserver = 'a:b'\nclient = 'b:c'\n[tool.atoll.simulation]\nnode = 3", "project.unknown-key", "node")],
)  # fmt: skip
def test_what_is_wrong_is_told(folder: Path, text: str, code: str, words: str) -> None:
    error = refusal(folder, text)
    assert error.code == code
    assert words in error.message
    assert error.mend


def test_an_unknown_key_is_told_with_the_nearest(folder: Path) -> None:
    text = "[tool.atoll]\nserver = 'a:b'\nclient = 'b:c'\n[tool.atoll.simulation]\nnods = 3"
    assert refusal(folder, text).mend == "did you mean `nodes`?"


def test_a_file_that_is_no_text_is_refused(folder: Path) -> None:
    (folder / "pyproject.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError):
        read_project(folder)


def test_a_folder_without_a_project_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as missing:
        read_project(tmp_path)
    assert (missing.value.code, "atoll new" in missing.value.mend) == ("project.missing", True)


def test_what_cannot_be_imported_is_told(folder: Path) -> None:
    package = next(folder.glob("app_*"))
    (package / "hungry.py").write_text("import no_such_package_anywhere\n")
    (package / "broken.py").write_text("1 / 0\n")
    cases = {f"{package.name}.nothing:app": "project.no-module", "nothing_at_all.x:app": "project.no-module",
             f"{package.name}.hungry:app": "project.missing-package", f"{package.name}.server:ap": "project.no-object"}  # fmt: skip
    for reference, code in cases.items():
        with pytest.raises(ConfigError) as refused:
            resolve(reference, folder, what="server")
        assert refused.value.code == code
        assert refused.value.mend
    with pytest.raises(ZeroDivisionError):
        resolve(f"{package.name}.broken:app", folder, what="server")


def test_an_object_of_another_kind_is_refused(folder: Path) -> None:
    package = next(folder.glob("app_*")).name
    (folder / "pyproject.toml").write_text(GOOD.format(package=package).replace("server:app", "server:other"))
    with pytest.raises(ConfigError, match="is a int, not a ServerApp") as refused:
        read_project(folder).server_app()
    assert refused.value.code == "project.wrong-type"


def test_what_one_task_takes_is_read_in_the_units_of_nodes(folder: Path) -> None:
    text = (folder / "pyproject.toml").read_text()
    (folder / "pyproject.toml").write_text(
        f'{text}\n[tool.atoll.resources]\ncpus = 0.5\ngpus = 2\nmemory = "4 GB"\n'
    )
    assert read_project(folder).resources == {"cpus": 0.5, "gpus": 2, "memory": 4_000_000_000}


def test_an_app_that_says_nothing_takes_nothing_in_particular(folder: Path) -> None:
    assert read_project(folder).resources == {}


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("cpus = -1", "project.bad-resources"),
        ("cpus = true", "project.bad-resources"),
        ("cpus = nan", "project.bad-resources"),
        ('cpus = "2"', "project.bad-resources"),
        ("gpus = 0.5", "project.bad-resources"),
        ("gpus = 100000", "project.bad-resources"),
        ('memory = "much"', "project.bad-resources"),
        ("memory = 1.5", "project.bad-resources"),
        ("cpu = 1", "project.unknown-key"),
    ],
)
def test_resources_that_are_none_are_told(folder: Path, line: str, code: str) -> None:
    text = (folder / "pyproject.toml").read_text()
    assert refusal(folder, f"{text}\n[tool.atoll.resources]\n{line}\n").code == code
