"""Killed in the middle of a run, all of it: the run goes on by itself, and ends as if nothing had been."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator

import pytest
from federation_world import Command, Place, processes, same, write_app

from atoll import Arrays

SETTINGS = ["--set", "rounds=6", "--set", "pause=0.1", "--seed", "4"]


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A federation of three nodes, and an app; whoever is killed is there again for the next."""
    with Place(tmp_path_factory.mktemp("killed")) as place:
        write_app(place.folder / "app")
        place.well("up", "--nodes", "3")
        yield place


@pytest.fixture(scope="module")
def undisturbed(up: Place) -> Arrays:
    """The model of the same run, simulated."""
    up.well("run", "--nodes", "3", "--name", "simulated", *SETTINGS, inside=up.folder / "app")
    return up.model("simulated")


def until_round(process: Command, number: int) -> None:
    assert process.stdout
    for line in iter(process.stdout.readline, ""):
        if f"round {number}/" in line:
            return
    assert process.stderr
    raise AssertionError(f"round {number} never came: {process.stderr.read()}")


def kill(place: Place, name: str) -> None:
    """Returns when it is gone: on a busy machine a killed process lives on for some milliseconds, and holds its lock."""
    pid = int((place.home / "local" / f"{name}.lock").read_text())
    gone = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    assert select.select([gone], [], [], 30)[0]
    os.close(gone)


@pytest.mark.parametrize("victim", ["node-1", "coordinator"])
def test_a_killed_process_that_is_started_again_changes_nothing(
    victim: str, up: Place, undisturbed: Arrays
) -> None:
    with up.start("run", "--on", "local", "--name", victim, *SETTINGS, inside=up.folder / "app") as process:
        until_round(process, 2)
        kill(up, victim)
        assert up.well("up", "--nodes", "3", "--json").document["started"] == [victim]
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, f"{out}\n{err}\n{up.logs()}"
    assert same(up.model(victim, "--on", "local"), undisturbed)


def test_a_killed_server_app_begins_again_by_itself(up: Place, undisturbed: Arrays) -> None:
    with up.start("run", "--on", "local", "--name", "served", *SETTINGS, inside=up.folder / "app") as process:
        until_round(process, 2)
        programs = processes(up.home, "atoll.service.host.program")
        assert programs
        for pid in programs:
            os.kill(pid, signal.SIGKILL)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, f"{out}\n{err}\n{up.logs()}"
    (run,) = (r for r in up.well("ls", "--on", "local", "--json").document["runs"] if r["name"] == "served")
    assert run["attempts"] > 1
    assert same(up.model("served", "--on", "local"), undisturbed)
