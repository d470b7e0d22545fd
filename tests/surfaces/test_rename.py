"""An app under another name."""

from __future__ import annotations

import pytest

from atoll.surfaces._rename import Names, names_of, renamed
from atoll.values import ConfigError

PROJECT = b"""
[project]
name = "their-app"   # a name
dependencies = ["their"]

[tool.hatch.build.targets.wheel]
packages = ["their"]

[tool.atoll]
server = "their.server:app"
client = "their.client:app"

[tool.atoll.config]
label = "their"
"""
NEW = Names("my-app", "mine")


def python(text: str) -> str:
    files = {"pyproject.toml": PROJECT, "their/server.py": text.encode(), "their/client.py": b""}
    return renamed(files, names_of(files), NEW)["mine/server.py"].decode()


def test_the_package_moves_and_the_project_file_names_it():
    files = {"pyproject.toml": PROJECT, "their/server.py": b"", "theirs/x.py": b"", "data/their/x": b"\xff"}
    made = renamed(files, names_of(files), NEW)
    assert set(made) == {"pyproject.toml", "mine/server.py", "theirs/x.py", "data/their/x"}
    expected = PROJECT.replace(b'"their-app"', b'"my-app"').replace(
        b'packages = ["their"]', b'packages = ["mine"]'
    )
    assert made["pyproject.toml"] == expected.replace(b"their.", b"mine.")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("from their.data import load", "from mine.data import load"),
        ("from their import data", "from mine import data"),
        ("from  their . data import (\n    their,\n)", "from  mine . data import (\n    their,\n)"),
        ("import their.data as d, json, their", "import mine.data as d, json, mine"),
        ("import their.data\nx = their.data.load()", "import mine.data\nx = mine.data.load()"),
        ('data = "their.data:load"', 'data = "mine.data:load"'),
        ("é = 'é'; import their.data", "é = 'é'; import mine.data"),
        ("def f():\n    from their import x", "def f():\n    from mine import x"),
    ],
)
def test_python_that_means_the_package_follows(before, after):
    assert python(before) == after


@pytest.mark.parametrize(
    "text",
    [
        "their = 1\nprint(their.real, theirs)",
        "from .their import their",
        "from other import their\ntheir.x()",
        "x.their.y",
        'why = "their data: theirs alone"',
        "import other as their\ntheir.f()",
        "f(their=1)",
        "'''their.data is theirs: keep it'''",
        "def broken(:  # from their import x",
    ],
)
def test_python_that_means_something_else_stays(text):
    assert python(text) == text


def test_a_text_s_paths_and_its_title_follow_and_its_words_stay():
    files = {"pyproject.toml": PROJECT, "their/a.py": b"", "README.md": b""}
    files["README.md"] = (
        b"# their-app\n\n`their/a.py` is their code; from their.a import x; see their-app and x/their/y\n"
    )
    made = renamed(files, names_of(files), NEW)["README.md"].decode()
    assert (
        made == "# my-app\n\n`mine/a.py` is their code; from mine.a import x; see their-app and x/their/y\n"
    )


def test_an_app_without_a_package_keeps_its_modules():
    files = {
        "pyproject.toml": b'[project]\nname="x"\n[tool.atoll]\nserver="server:app"\nclient="client:app"\n',
        "server.py": b"import client",
        "client.py": b"",
    }
    old = names_of(files)
    made = renamed(files, old, NEW)
    assert old.package == ""
    assert (made["server.py"], b'name="my-app"' in made["pyproject.toml"]) == (b"import client", True)


def test_a_name_that_the_app_uses_already_is_refused():
    files = {"pyproject.toml": PROJECT, "their/a.py": b"", "mine/b.py": b""}
    with pytest.raises(ConfigError, match=r"has a mine/b\.py already"):
        renamed(files, names_of(files), NEW)


@pytest.mark.parametrize(
    "project", [b"", b"[tool]", b"[tool.atoll]\nserver = 'a:b'", b"\xff", b"[[", b"tool = 1"]
)
def test_what_is_no_app_is_said_to_be_none(project):
    with pytest.raises(ConfigError, match="there is no app in it"):
        names_of({"pyproject.toml": project})
