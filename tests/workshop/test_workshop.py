"""A workshop extracts each bundle once, notices damage, and serves as many as ask at the same time."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest
from shop_world import written

from atoll.service.workshop import Workshop
from atoll.values import AtollError, ConfigError
from atoll.wire import pack_bundle


@pytest.fixture
def bundle(tmp_path):
    return pack_bundle(written(tmp_path / "app"))


def never():
    raise AssertionError("it was fetched again")


def test_a_bundle_is_fetched_and_extracted_once(tmp_path, bundle):
    first = Workshop(tmp_path / "w").prepare(bundle.digest, lambda: bundle.body)
    assert (first.folder / "shop" / "client.py").read_bytes() == (
        tmp_path / "app/shop/client.py"
    ).read_bytes()
    assert Workshop(tmp_path / "w").prepare(bundle.digest, never) == first


def test_what_came_instead_of_the_bundle_is_refused(tmp_path, bundle):
    workshop = Workshop(tmp_path / "w")
    with pytest.raises(AtollError) as caught:
        workshop.prepare(bundle.digest, lambda: bundle.body[:-1])
    assert caught.value.code == "bundle.damaged"
    workshop.prepare(bundle.digest, lambda: bundle.body)


def _change(folder):
    path = folder / "shop" / "client.py"
    path.chmod(0o644)
    path.write_text("raise SystemExit")


def _add(folder):
    (folder / "numpy.py").write_text("raise SystemExit")


def _add_link(folder):
    (folder / "shop" / "more").symlink_to("/etc")


def _remove(folder):
    (folder / "pyproject.toml").unlink()


@pytest.mark.parametrize("damage", [_change, _add, _add_link, _remove])
def test_a_damaged_folder_is_noticed_and_made_again(tmp_path, bundle, damage):
    workshop = Workshop(tmp_path / "w")
    first = workshop.prepare(bundle.digest, lambda: bundle.body)
    damage(first.folder)
    second = workshop.prepare(bundle.digest, never)
    assert second.folder != first.folder  # whoever works in the first one goes on
    assert (second.folder / "shop" / "client.py").read_bytes() == (
        tmp_path / "app/shop/client.py"
    ).read_bytes()
    assert sorted(p.name for p in second.folder.iterdir()) == ["pyproject.toml", "shop"]
    assert workshop.prepare(bundle.digest, never) == second


@pytest.mark.parametrize("damage", [lambda body: body[:-3], lambda body: b"", lambda body: body[:-1] + b"?"])
def test_a_damaged_bundle_is_fetched_again(tmp_path, bundle, damage):
    first = Workshop(tmp_path / "w").prepare(bundle.digest, lambda: bundle.body)
    kept = first.folder.parent / "bundle"
    kept.write_bytes(damage(bundle.body))
    fetched = []
    again = Workshop(tmp_path / "w").prepare(bundle.digest, lambda: fetched.append(1) or bundle.body)
    assert (again, fetched, kept.read_bytes()) == (first, [1], bundle.body)


def test_threads_that_ask_together_get_the_same_folder(tmp_path, bundle):
    workshop, fetched, found = Workshop(tmp_path / "w"), [], []

    def ask():
        found.append(workshop.prepare(bundle.digest, lambda: fetched.append(1) or bundle.body))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(fetched), len(set(found)), len(found)) == (1, 1, 8)


def test_processes_that_ask_together_all_get_a_whole_folder(tmp_path, bundle):
    (tmp_path / "body").write_bytes(bundle.body)
    script = f"""
from pathlib import Path
from atoll.service.workshop import Workshop
body = Path({str(tmp_path / "body")!r}).read_bytes()
folder = Workshop(Path({str(tmp_path / "w")!r})).prepare({bundle.digest!r}, lambda: body).folder
print(len((folder / "shop" / "client.py").read_bytes()))
"""
    children = [
        subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    wanted = f"{(tmp_path / 'app/shop/client.py').stat().st_size}\n"
    assert [child.communicate()[0] for child in children] == [wanted] * 4


def test_a_bundle_is_for_this_python_unless_the_owner_says_otherwise(tmp_path, bundle):
    prepared = Workshop(tmp_path / "w").prepare(bundle.digest, lambda: bundle.body)
    assert prepared.python == sys.executable
    assert prepared.command("atoll.service.host.program", "x") == [
        sys.executable,
        "-u",
        "-P",
        "-m",
        "atoll.service.host.program",
        "x",
    ]


def test_what_atoll_is_told_by_its_environment_is_not_for_apps(tmp_path, bundle, monkeypatch):
    monkeypatch.setenv("ATOLL_TOKEN", "secret")
    monkeypatch.setenv("PYTHONPATH", "/mine")
    given = Workshop(tmp_path / "w").prepare(bundle.digest, lambda: bundle.body).surroundings(2)
    assert "ATOLL_TOKEN" not in given
    assert given["PYTHONPATH"].endswith("/mine")
    assert (given["OMP_NUM_THREADS"], given["PYTHONDONTWRITEBYTECODE"]) == ("2", "1")


def test_a_policy_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError) as caught:
        Workshop(tmp_path / "w", environments="conda")
    assert caught.value.code == "environment.unknown-policy"
