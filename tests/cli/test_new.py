import re
import site
import subprocess
import sys
from pathlib import Path

import pytest

import atoll


def test_a_new_app_is_a_folder_without_placeholders(shell):
    said = shell("new", "My-App", "--template", "numpy")
    assert said.code == 0, said.err
    folder = shell.folder / "My-App"
    files = [p for p in folder.rglob("*") if p.is_file()]
    assert (folder / "pyproject.toml") in files
    assert (folder / "my_app" / "__init__.py") in files
    assert not [p for p in files if "__package__" in p.read_text() or "__package__" in p.name or p.suffix == ".tmpl"]
    assert "cd My-App" in said.out
    assert "atoll run" in said.out


def test_off_a_terminal_nothing_is_asked_and_numpy_is_taken(shell):
    document = shell("new", "mine", "--json").document
    assert document["schema"] == "atoll.new/1"
    assert (document["template"], document["package"], document["folder"]) == ("numpy", "mine", str(shell.folder / "mine"))
    assert "pyproject.toml" in document["files"]


def test_nothing_is_overwritten(shell):
    before = (shell.folder / "tiny" / "client.py").read_text()
    said = shell("new", "tiny")
    assert (said.code, "nothing is overwritten" in said.err) == (2, True)
    assert (shell.folder / "tiny" / "client.py").read_text() == before


def test_an_empty_folder_is_as_good_as_none(shell):
    (shell.folder / "deep" / "mine").mkdir(parents=True)
    assert shell("new", "deep/mine").code == 0


@pytest.mark.parametrize(("name", "told"), [("1st", "can't be called"), ("a b", "can't be called"), ("json", "hide"), ("numpy", "hide"), ("class", "hide")])
def test_a_name_that_would_make_trouble_is_refused(name, told, shell):
    said = shell("new", name)
    assert (said.code, told in said.err) == (2, True)
    assert not (shell.folder / name).exists()


def test_an_unknown_template_is_refused(shell):
    said = shell("new", "mine", "--template", "nmpy")
    assert said.code == 2
    assert "numpy" in said.err


def test_a_template_whose_packages_are_missing_says_how_to_install_them(tmp_path):
    packages = tmp_path / "packages"
    packages.mkdir()
    installed = Path(next(p for p in site.getsitepackages() if (Path(p) / "numpy").exists()))
    here = [installed / name for name in ("numpy", "numpy.libs", "msgspec", "ml_dtypes")]
    for path in (*here, *installed.glob("atoll-*.dist-info")):
        if path.exists():
            (packages / path.name).symlink_to(path)
    path = f"{Path(atoll.__file__).parents[1]}:{packages}"
    command = [sys.executable, "-S", "-m", "atoll", "new", "mine", "--template", "torch"]
    ran = subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": path}, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert "torch and mlxtend" in ran.stderr
    assert "pip install 'atoll[torch,samples]'" in ran.stderr
    assert not (tmp_path / "mine").exists()


def test_help_tells_what_each_template_is(shell):
    said = shell("new", "--help").out
    assert re.search(r"^  numpy +A small network", said, re.MULTILINE)
    assert re.search(r"^  torch +\S", said, re.MULTILINE)
