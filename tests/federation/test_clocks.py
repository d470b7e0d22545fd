"""Clocks that are an hour off: nothing is lost by that, and whoever looks is told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from federation_world import Place, free_port, same, write_app

HOUR = 3600
NODES = ("node-0", "node-1")
SETTINGS = ("--set", "rounds=3", "--set", "pause=0.05", "--set", "deadline=60", "--seed", "6")


def begin(place: Place, off: dict[str, int]) -> None:
    """Daemons, each with its clock."""

    def start(name: str, *words: str) -> dict[str, object]:
        path = f"{Path(__file__).parent / 'clock'}:{place.environment['PYTHONPATH']}"
        return place.daemon(*words, env={"PYTHONPATH": path, "ATOLL_TEST_SKEW": str(off.get(name, 0))})

    url = str(start("coordinator", "coordinator", "start", "--port", free_port(), "--no-host")["url"])
    start("host", "host", "start", "--coordinator", url)
    for name in NODES:
        start(name, "node", "start", "--coordinator", url, "--name", name)
    place.well("context", "add", "sites", url, "--use")


@pytest.mark.parametrize(
    ("off", "seen"),
    [
        ({"node-0": HOUR, "node-1": -HOUR}, {"node-0": "ahead", "node-1": "behind"}),
        ({"coordinator": HOUR, "node-1": HOUR}, {"node-0": "behind"}),
    ],
    ids=["of nodes", "of the coordinator"],
)
def test_a_clock_an_hour_off_loses_nothing_and_is_told(
    off: dict[str, int], seen: dict[str, str], place: Place
) -> None:
    app = write_app(place.folder / "app")
    begin(place, off)
    place.well("run", "--name", "real", *SETTINGS, inside=app)
    place.well("run", "--on", "simulation", "--nodes", "2", "--name", "simulated", *SETTINGS, inside=app)
    assert same(place.model("real"), place.model("simulated", "--on", "simulation"))

    shown = place.well("show", "real", "--json").document
    assert (shown["attempts"], shown["failures"]) == (1, [])
    lines = place.well("log", "real", "--json").document["lines"]
    assert not [line for line in lines if "away" in line["message"]], "somebody was given up"

    listed = place.well("node", "ls").out
    told = dict(re.findall(r"(node-\d).*its clock is 3[56]\d\d s (ahead|behind)", listed))
    assert told == seen, listed
    warned = {line["node"] for line in lines if "set one of them right" in line["message"]}
    assert warned == set(seen)
    assert place.logs().count("no work is lost by that") == len(seen)
