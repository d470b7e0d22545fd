"""uv builds an environment once for each lock, out of what the node's owner has, and says why when it can't."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import sysconfig
import zipfile

import pytest
import uv
from shop_world import Bench, word, written

from atoll.service.workshop import Did, Ready, Workshop, _requirements
from atoll.service.workshop._requirements import requirements
from atoll.values import AtollError


def wheel(folder, name, version, needs=()):
    """A wheel of one module, written by hand."""
    folder.mkdir(exist_ok=True)
    info = f"{name}-{version}.dist-info"
    lines = "".join(f"Requires-Dist: {each}\n" for each in needs)
    files = {
        f"{name}.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{lines}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = [
        f"{p},sha256={base64.urlsafe_b64encode(hashlib.sha256(t.encode()).digest()).rstrip(b'=').decode()},{len(t)}"
        for p, t in files.items()
    ]
    files[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,", ""])
    with zipfile.ZipFile(path := folder / f"{name}-{version}-py3-none-any.whl", "w") as file:
        for each, text in files.items():
            file.writestr(each, text)
    return path


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A wheelhouse with two small packages; Atoll's workers need nothing more, here."""
    monkeypatch.setattr(_requirements, "_WORKERS", ())
    wheel(tmp_path / "house", "islet", "1.0")
    wheel(tmp_path / "house", "islet", "2.0", ["pebble>=1"])
    wheel(tmp_path / "house", "pebble", "1.5")
    return tmp_path / "house"


def app(folder, *needs, **files):
    folder.mkdir()
    (folder / "pyproject.toml").write_text(
        f"[project]\nname = 'a'\nversion = '1'\ndependencies = {['atoll', *needs]!r}\n", encoding="utf-8"
    )
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text, encoding="utf-8")
    return folder


def said(prepared, script):
    command = [prepared.python, "-c", script]
    return subprocess.run(
        command, env=prepared.surroundings(), capture_output=True, text=True, check=True
    ).stdout.strip()


def test_an_environment_has_what_the_app_depends_on_and_atoll(tmp_path, house):
    workshop = Workshop(tmp_path / "w", environments="uv", wheelhouse=house)
    prepared = workshop.environment_for(app(tmp_path / "app", "islet>=2"))
    assert prepared.python != sys.executable
    assert (
        said(
            prepared,
            "import islet, pebble, atoll; print(islet.VERSION, pebble.VERSION, atoll.__version__ != '')",
        )
        == "2.0 1.5 True"
    )
    assert (
        said(prepared, "import importlib.util as u; print(u.find_spec('pytest'))") == "None"
    )  # nothing else of the daemon's own


def test_it_is_built_once_for_a_lock(tmp_path, house):
    workshop = Workshop(tmp_path / "w", environments="uv", wheelhouse=house)
    first = workshop.environment_for(app(tmp_path / "a", "islet", requirements_lock="islet==1.0  # pinned\n"))
    assert said(first, "import islet; print(islet.VERSION)") == "1.0"
    for path in house.iterdir():
        path.unlink()
    again = Workshop(tmp_path / "w", environments="uv", wheelhouse=house)
    assert again.environment_for(app(tmp_path / "b", requirements_lock="islet==1.0\n")).python == first.python


def test_one_that_was_not_finished_is_built_again(tmp_path, house):
    workshop = Workshop(tmp_path / "w", environments="uv", wheelhouse=house)
    prepared = workshop.environment_for(app(tmp_path / "a", "pebble"))
    home = next(p.parent for p in (tmp_path / "w").rglob("ready"))
    (home / "ready").unlink()
    (home / next(p for p in home.rglob("pebble.py")).relative_to(home)).unlink()
    assert said(workshop.environment_for(tmp_path / "a"), "import pebble; print(pebble.VERSION)") == "1.5"
    assert prepared == workshop.environment_for(tmp_path / "a")


def test_processes_that_want_the_same_one_wait_for_each_other(tmp_path, house):
    folder = app(tmp_path / "a", "pebble")
    script = f"""
from pathlib import Path
from atoll.service.workshop import Workshop, _requirements
_requirements._WORKERS = ()
print(Workshop(Path({str(tmp_path / "w")!r}), environments="uv", wheelhouse={str(house)!r}).environment_for(Path({str(folder)!r})).python)
"""
    children = [
        subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    found = {child.communicate()[0] for child in children}
    assert len(found) == 1
    assert subprocess.run([found.pop().strip(), "-c", "import pebble"], check=False).returncode == 0


def test_what_the_wheelhouse_lacks_is_said_in_uvs_own_words(tmp_path, house):
    workshop = Workshop(tmp_path / "w", environments="uv", wheelhouse=house)
    with pytest.raises(AtollError, match="boulder") as caught:
        workshop.environment_for(app(tmp_path / "a", "islet", "boulder"))
    assert caught.value.code == "environment.failed"
    wheel(house, "boulder", "1")  # the owner mends it
    assert said(workshop.environment_for(tmp_path / "a"), "import boulder; print(boulder.VERSION)") == "1"


def test_a_wheel_with_another_hash_than_the_lock_says_is_refused(tmp_path, house):
    good = hashlib.sha256((house / "pebble-1.5-py3-none-any.whl").read_bytes()).hexdigest()
    workshop = Workshop(tmp_path / "w", environments="uv", wheelhouse=house)
    lock = "pebble==1.5 \\\n    --hash=sha256:{}\n"
    workshop.environment_for(app(tmp_path / "a", requirements_txt=lock.format(good)))
    with pytest.raises(AtollError) as caught:
        workshop.environment_for(app(tmp_path / "b", requirements_txt=lock.format("0" * 64)))
    assert caught.value.code == "environment.failed"


def test_a_lock_of_uv_counts(tmp_path, house):
    folder = app(tmp_path / "a", "islet")
    bare = (folder / "pyproject.toml").read_text().replace("'atoll', ", "")
    (folder / "pyproject.toml").write_text(bare)
    subprocess.run(
        [
            uv.find_uv_bin(),
            "lock",
            "--quiet",
            "--offline",
            "--no-index",
            "--find-links",
            str(house),
            "--python",
            sys.executable,
        ],
        cwd=folder,
        check=True,
    )
    workshop = Workshop(tmp_path / "w", environments="uv", wheelhouse=house)
    assert said(workshop.environment_for(folder), "import islet; print(islet.VERSION)") == "2.0"


@pytest.mark.parametrize(
    "line",
    ["-e .", "--index-url http://evil.example", "foo @ https://evil.example/foo.whl", "./foo.whl", "git+https://evil.example/x", "-r other.txt",
     "https://evil.example/y.whl", "/abs/foo", "foo/bar", "foo\\bar", "foo==1 --config-settings x", "file:x", "foo==1 -i http://evil.example"],
)  # fmt: skip
def test_a_lock_does_not_say_where_packages_come_from(tmp_path, line):
    with pytest.raises(AtollError) as caught:
        requirements(app(tmp_path / "a", requirements_txt=f"numpy==2.0\n{line}\n"), str)
    assert caught.value.code == "environment.bad-lock"


def test_in_atolls_place_stands_what_its_workers_need(tmp_path):
    found = requirements(
        app(tmp_path / "a", "numpy<3", "atoll[torch]>=0.1", "x [a,b]>=1 ; python_version>'3'"), str
    ).splitlines()
    assert found[:2] == ["numpy<3", "x [a,b]>=1 ; python_version>'3'"]
    assert sorted(each.partition(">")[0] for each in found[2:]) == [
        "ml-dtypes",
        "msgspec",
        "threadpoolctl",
        "torch",
    ]


def test_a_worker_runs_in_an_environment(tmp_path, house, model):
    bench = Bench(tmp_path)
    written(
        bench.app,
        client="import atoll, islet\napp = atoll.ClientApp()\n@app.query\ndef ask(ctx):\n    return {'islet': islet.VERSION}\n",
    )
    (bench.app / "requirements.lock").write_text("islet==1.0\n")
    bench.workshop = Workshop(tmp_path / "workshop", environments="uv", wheelhouse=house)
    prepared = bench.prepared()
    site = said(prepared, "import sysconfig; print(sysconfig.get_path('purelib'))")
    with open(f"{site}/daemon.pth", "w") as file:  # numpy and the like, which no wheelhouse of a test has
        file.write(sysconfig.get_path("purelib"))
    worker, told = bench.worker(prepared)
    assert isinstance(word(told), Ready)
    worker.give(bench.offer("ask"))
    did = word(told)
    assert isinstance(did, Did)
    assert did.metrics == {"islet": "1.0"}
    worker.end()
    assert word(told) is None
