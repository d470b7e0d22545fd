"""Killed in the middle of a run, all of it: the run goes on by itself, and ends as if nothing had been."""

import os
import signal

import pytest
from federation_world import Place, processes, same, write_app

SETTINGS = ["--set", "rounds=6", "--set", "pause=0.1", "--seed", "4"]


def until_round(process, number: int) -> None:
    for line in iter(process.stdout.readline, ""):
        if f"round {number}/" in line:
            return
    raise AssertionError(f"round {number} never came: {process.stderr.read()}")


def kill(place: Place, name: str) -> None:
    os.kill(int((place.home / "local" / f"{name}.lock").read_text()), signal.SIGKILL)


@pytest.mark.parametrize("victim", ["node-1", "coordinator"])
def test_a_killed_process_that_is_started_again_changes_nothing(victim: str, place: Place):
    app = write_app(place.folder / "app")
    place.well("up", "--nodes", "3")
    with place.start("run", "--on", "local", "--name", "real", *SETTINGS, inside=app) as process:
        until_round(process, 2)
        kill(place, victim)
        assert place.well("up", "--nodes", "3", "--json").document["started"] == [victim]
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, f"{out}\n{err}\n{place.logs()}"
    place.well("run", "--nodes", "3", "--name", "simulated", *SETTINGS, inside=app)
    assert same(place.model("real", "--on", "local"), place.model("simulated"))


def test_a_killed_server_app_begins_again_by_itself(place: Place):
    app = write_app(place.folder / "app")
    place.well("up", "--nodes", "3")
    with place.start("run", "--on", "local", "--name", "real", *SETTINGS, inside=app) as process:
        until_round(process, 2)
        programs = processes(place.home, "atoll.service.host.program")
        assert programs
        for pid in programs:
            os.kill(pid, signal.SIGKILL)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, f"{out}\n{err}\n{place.logs()}"
    assert place.well("ls", "--on", "local", "--json").document["runs"][0]["attempts"] > 1
    place.well("run", "--nodes", "3", "--name", "simulated", *SETTINGS, inside=app)
    assert same(place.model("real", "--on", "local"), place.model("simulated"))
