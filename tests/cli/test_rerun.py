"""Runs that are run again, and apps that are made of them."""

import json
import shutil

import pytest

from atoll.store import digest_bytes
from atoll.surfaces._rename import Names
from atoll.surfaces.cli._copy_of import copy_of
from atoll.values import AtollError


def model(shell, run):
    path = shell.folder / f"{run}.safetensors"
    assert shell("pull", run, "-o", str(path)).code == 0
    return path.read_bytes()


def test_a_run_again_gives_the_same_model_whatever_became_of_its_folder(first):
    shell = first
    shutil.rmtree(shell.folder / "tiny")
    (shell.folder / "pyproject.toml").write_text("changed beyond recognition [")
    said = shell("rerun", "first", "--name", "second")
    assert said.code == 0, said.err
    assert model(shell, "first") == model(shell, "second")
    shown = shell("show", "second", "--json").document
    assert (shown["seed"], shown["config"]["lr"], len(shown["nodes"])) == (7, 0.25, 4)


def test_what_is_changed_is_changed_and_nothing_else(first):
    shell = first
    (shell.folder / "tiny" / "client.py").write_text("raise ValueError")
    said = shell("rerun", "first", "--set", "rounds=1", "--seed", "3", "--nodes", "2", "--json").document
    assert (said["seed"], said["nodes"], len(said["rounds"]), said["config"]["lr"]) == (3, 2, 1, 0.25)
    assert shell("rerun", "first", "--set", "rouns=1").code == 2


def test_the_kept_app_stays_as_it_was_and_goes_with_its_last_run(shell):
    shell("run", "--name", "first", "--set", "rounds=1")
    shell("rerun", "first", "--name", "second", "--workers", "1")
    (kept,) = (shell.home / "bundles").iterdir()
    assert kept.stat().st_nlink == 3
    (unpacked,) = (shell.home / "apps").glob("*/app-*")
    assert {p.suffix for p in unpacked.rglob("*") if p.is_file()} == {".py", ".toml"}
    shell("rm", "first", "second", "--yes")
    (shell.folder / "tiny" / "new.py").touch()
    shell("run", "--name", "third", "--set", "rounds=1")
    assert [p.name != kept.name for p in (shell.home / "bundles").iterdir()] == [True]


def test_a_rerun_that_was_stopped_goes_on_when_its_folder_was_swept(first):
    shell = first
    assert shell("rerun", "first", "--name", "second", "--set", "mood=unwell").code == 1
    shutil.rmtree(shell.home / "apps")
    said = shell("resume", "second")
    assert "the server is unwell" in said.err  # its own config: it was found, and begun


def test_an_app_that_can_t_be_packed_runs_and_says_why_it_can_t_be_run_again(shell):
    (shell.folder / "link").symlink_to("/etc/passwd")
    shell("run", "--name", "first")
    said = shell("rerun", "first")
    assert (said.code, "could not be packed when the run began: link is a link" in said.err) == (2, True)


def test_a_kept_app_that_was_tampered_with_is_refused(first):
    shell = first
    (bundle,) = shell.home.glob("runs/*/app.bundle")
    bundle.write_bytes(bundle.read_bytes().replace(b"hello", b"jello"))
    for words in (("rerun", "first"), ("new", "mine", "--from", "first"), ("pull", "first", "--app")):
        said = shell(*words, "--json")
        assert (said.code, said.document["code"]) == (1, "bundle.damaged")
    bundle.unlink()
    assert shell("rerun", "first", "--json").document["code"] == "run.app-gone"


def test_an_app_is_made_of_a_run_and_runs_as_it_did(first):
    assert first("new", "../My-App", "--from", "first", "--json").document["package"] == "my_app"
    mine = first.at(first.folder.parent / "My-App")
    assert mine("run", "--name", "mine", "--set", "lr=0.25", "--seed", "7", "--nodes", "4").code == 0
    assert model(first, "first") == model(first, "mine")
    assert first("ls", "--json").document["runs"][0]["app"] == "My-App"


def test_a_folder_a_bundle_and_a_run_give_the_same_app(first):
    first("pull", "first", "--app", "-o", "../first.bundle")
    made = [first("new", "../mine", "--from", given, "--json").document for given in (".", "../first.bundle", "@latest") if gone(first)]
    assert len({d["digest"] for d in made}) == 1
    assert made[0]["digest"] == digest_bytes((first.folder / "../first.bundle").read_bytes())
    assert [d["files"] for d in made] == [["mine/__init__.py", "mine/client.py", "mine/server.py", "pyproject.toml"]] * 3


def gone(shell):
    shutil.rmtree(shell.folder.parent / "mine", ignore_errors=True)
    return True


def test_a_copy_fills_an_empty_folder_and_no_other(shell):
    (shell.folder.parent / "empty").mkdir()
    assert shell("new", "../empty", "--from", ".").code == 0
    said = shell("new", "../empty", "--from", ".")
    assert (said.code, "nothing is overwritten" in said.err) == (2, True)


@pytest.mark.parametrize(
    ("source", "code", "exit_code"),
    [
        ("nothing", "new.no-source", 3),
        ("./nothing", "new.no-source", 3),
        ("tiny/client.py", "new.no-app", 2),
        ("tiny", "new.no-app", 2),
        ("evil.bundle", "new.no-app", 2),
        ("newer.bundle", "bundle.newer", 1),
    ],
)
def test_what_no_app_can_be_made_of_is_refused_and_nothing_is_made(source, code, exit_code, shell, monkeypatch):
    header = json.dumps({"requires": "", "files": [["../evil.py", 1, digest_bytes(b"x")[7:]]]}).encode()
    evil = b"atoll bundle 1\n" + len(header).to_bytes(4, "little") + header + b"x"
    (shell.folder / "evil.bundle").write_bytes(evil)
    (shell.folder / "newer.bundle").write_bytes(b"atoll bundle 9\n")
    monkeypatch.chdir(shell.folder)
    monkeypatch.setenv("ATOLL_HOME", str(shell.home))
    monkeypatch.setenv("ATOLL_CONFIG", str(shell.home.parent / "config"))
    with pytest.raises(AtollError) as refused:
        copy_of(source, shell.folder.parent / "mine", Names("mine", "mine"))
    assert (refused.value.code, refused.value.exit_code) == (code, exit_code)
    assert not [p for p in shell.folder.parent.iterdir() if p.name not in ("app", "home")]


def test_a_template_and_an_app_are_not_taken_together(shell):
    assert shell("new", "mine", "--from", ".", "--template", "numpy").code == 2
