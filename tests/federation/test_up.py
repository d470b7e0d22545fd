"""`atoll up` and `atoll down`."""

import os
from pathlib import Path

import pytest
from federation_world import Place, write_app


def processes(folder: Path) -> list[str]:
    """Of all on this machine, those that name the folder in their words or environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            told = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
        except OSError:
            continue
        if os.fsencode(folder) in told:
            found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks into /proc")
def test_down_leaves_no_process_even_in_the_middle_of_a_run(place: Place):
    app = write_app(place.folder / "app")
    assert place.well("up", "--nodes", "2", "--json").document["started"] == [
        "coordinator",
        "node-0",
        "node-1",
    ]
    place.well("run", "--on", "local", "--set", "pause=30", "--detach", inside=app)
    assert processes(place.home)
    ended = place.well("down", "--json").document["ended"]
    assert sorted(ended) == ["coordinator", "node-0", "node-1"]
    assert processes(place.home) == []
    assert "nothing was running" in place.well("down").out


def test_a_second_up_starts_what_is_missing_and_runs_are_kept(place: Place):
    app = write_app(place.folder / "app")
    first = place.well("up", "--nodes", "1", "--json").document
    place.well("run", "--on", "local", "--name", "before", inside=app)
    assert "up already" in place.well("up", "--nodes", "1").out
    assert place.well("up", "--nodes", "2", "--json").document["started"] == ["node-1"]
    place.well("down")
    again = place.well("up", "--nodes", "2", "--json").document
    assert again["url"] == first["url"]
    assert [r["name"] for r in place.well("ls", "--on", "local", "--json").document["runs"]] == ["before"]
    place.well("down", "--rm")
    assert not (place.home / "local").exists()
    assert place("ls", "--on", "local").code == 3
