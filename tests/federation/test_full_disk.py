"""A disk that is full: the run waits and says why, and goes on when there is space, as if nothing had been."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from federation_world import Command, Place, free_port, same, write_app

MEGABYTES = 112  # of which a store leaves 64 to others
SETTINGS = ("--set", "rounds=6", "--set", "pause=0.1", "--set", "size=40000", "--seed", "8")


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A disk of its own, mounted in a folder."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no disk can be mounted here: {getattr(error, 'stderr', '') or error}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """A file of all that is left."""
    path = disk / "filler"
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)):
                    pass
    return path


def begin(place: Place, homes: dict[str, Path]) -> list[str]:
    """A coordinator and two nodes, with their homes where they are said to be. Returns the words that start the coordinator."""

    def at(name: str) -> tuple[str, str]:
        return "--home", str(homes.get(name, place.folder / name))

    coordinator = ["coordinator", "start", "--port", free_port(), *at("coordinator")]
    url = place.daemon(*coordinator)["url"]
    token = str(homes.get("coordinator", place.folder / "coordinator") / "token")
    for name in ("node-0", "node-1"):
        place.daemon("node", "start", "--coordinator", url, "--token-file", token, "--name", name, *at(name))
    place.well("context", "add", "sites", url, "--token-file", token, "--use")
    return coordinator


def heard(process: Command, words: str) -> str:
    """The next line with these words that a command says."""
    assert process.stdout is not None
    for line in iter(process.stdout.readline, ""):
        if words in line:
            return line
    raise AssertionError(f"`{words}` was never said")


def the_same_in_simulation(place: Place, app: Path) -> bool:
    place.well("run", "--on", "simulation", "--nodes", "2", "--name", "simulated", *SETTINGS, inside=app)
    return same(place.model("real"), place.model("simulated", "--on", "simulation"))


def test_a_full_disk_of_the_coordinator_is_waited_for(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk, Place(tmp_path) as place:
        app = write_app(place.folder / "app")
        coordinator = begin(place, {"coordinator": disk / "home"})
        run = place.start("run", "--name", "real", *SETTINGS, inside=app)
        heard(run, "round 2/")
        filler = fill(disk)
        while "full" not in (why := place.well("show", "real", "--json").document["waiting"]):
            assert run.poll() is None, "it does not wait"
        assert str(why) in place.well("show", "real").out
        filler.unlink()
        heard(run, "round 4/")
        assert "there is space again; runs go on" in place.logs()

        filler = fill(disk)
        place.kill("coordinator")
        said = place(*coordinator)  # as whoever keeps it running would, again and again
        assert said.code == 1
        assert "can't be used" in said.err
        assert "on a disk with space" in said.err
        filler.unlink()
        place.daemon(*coordinator)
        out, err = run.communicate(timeout=60)
        assert run.returncode == 0, f"{out}\n{err}\n{place.logs()}"
        assert the_same_in_simulation(place, app)


def test_a_full_disk_of_a_node_is_waited_for(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk, Place(tmp_path) as place:
        app = write_app(place.folder / "app")
        begin(place, {"node-1": disk / "home"})
        run = place.start("run", "--name", "real", *SETTINGS, inside=app)
        heard(run, "round 2/")
        filler = fill(disk)
        why = heard(place.start("log", "real", "--follow", "--node", "node-1"), "waits: ")
        assert "full" in why or "No space" in why
        assert run.poll() is None
        filler.unlink()
        out, err = run.communicate(timeout=60)
        assert run.returncode == 0, f"{out}\n{err}\n{place.logs()}"
        assert the_same_in_simulation(place, app)
        assert place.well("show", "real", "--json").document["failures"] == []
