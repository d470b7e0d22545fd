"""`atoll up` and `atoll down`."""

from pathlib import Path

import pytest
from federation_world import Place, processes, write_app


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks into /proc")
def test_down_leaves_no_process_even_in_the_middle_of_a_run(place: Place):
    app = write_app(place.folder / "app")
    assert place.well("up", "--nodes", "2", "--json").document["started"] == [
        "coordinator",
        "node-0",
        "node-1",
    ]
    place.well("run", "--on", "local", "--set", "pause=30", "--detach", inside=app)
    with place.start("log", "@latest", "--follow", "--on", "local") as following:  # until the app is there
        assert following.stdout is not None
        assert "began" in following.stdout.readline()
        following.kill()
    assert any("host.program" in command for command in processes(place.home).values())
    ended = place.well("down", "--json").document["ended"]
    assert sorted(ended) == ["coordinator", "node-0", "node-1"]
    assert processes(place.home) == {}
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
