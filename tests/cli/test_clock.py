"""Runs in virtual time, from the command line."""

import signal

import pytest

CLOCK = """
[tool.atoll.simulation.clock]
compute = { by = "pareto", minimum = 2, alpha = 1.2 }
trace = "fleet.csv"
"""


@pytest.fixture
def timed(shell):
    """The tiny app, whose three nodes take 10, 20 and 40 virtual seconds."""
    with (shell.folder / "pyproject.toml").open("a") as project:
        project.write(CLOCK)
    (shell.folder / "fleet.csv").write_text("node,compute\nnode-0,10\nnode-1,20\nnode-2,40\n")
    return shell


def test_the_projects_clock_is_in_every_round_and_shown(timed):
    assert [r["virtual_time"] for r in timed("run", "--json").document["rounds"]] == [40, 80, 120]
    said = timed("show", "@latest")
    head = next(line for line in said.out.splitlines() if line.startswith("ROUND"))
    assert head.split()[-3:] == ["VIRTUAL", "CLOCK", "TIME"]
    last = next(line for line in said.out.splitlines() if line.startswith("    3"))
    assert last.split()[-5:-2] == ["40", "s", "2:00"]


def test_each_rounds_line_tells_the_time_of_the_clock(timed):
    lines = [line for line in timed("run").out.splitlines() if line.startswith("round ")]
    assert [f"virtual_time {time}" in line for time, line in zip((40, 80, 120), lines, strict=True)] == [
        True
    ] * 3


def test_a_run_may_have_another_clock(timed, tmp_path):
    (tmp_path / "slower.json").write_text('{"nodes": [{"compute": 100}]}')
    there = timed.at(tmp_path)
    found = there(
        "run", "app", "--set", "rounds=1", "--clock", "trace=slower.json", "--clock", "latency=0.5", "--json"
    )
    assert [r["virtual_time"] for r in found.document["rounds"]] == [101]


def test_a_table_of_the_clock_can_be_reached_into(shell):
    words = ("--clock", "compute.by=uniform", "--clock", "compute.low=5", "--clock", "compute.high=5")
    found = shell("run", "--set", "rounds=1", *words, "--json")
    assert [r["virtual_time"] for r in found.document["rounds"]] == [5]


def test_the_clock_can_be_left_out(timed):
    assert "virtual_time" not in timed("run", "--clock", "off", "--json").document["rounds"][0]


def test_a_wrong_clock_is_refused_before_anything_starts(shell):
    said = shell("run", "--clock", "compute")
    assert said.code == 2
    assert "there is no value" in said.err
    said = shell("run", "--clock", "comptue=3")
    assert said.code == 2
    assert "did you mean `compute`?" in said.err
    assert "no runs yet" in shell("ls").out


@pytest.mark.long
def test_a_run_that_was_killed_goes_on_at_the_same_virtual_time(timed, reading):
    whole = timed("run", "--set", "rounds=5", "--json").document
    process = timed.start("run", "--set", "rounds=5", "--set", "pause=0.1")
    reading(process, 2)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    timed("resume", "@latest", "--quiet")
    found = timed("show", "@latest", "--json").document
    assert [r["virtual_time"] for r in found["rounds"]] == [r["virtual_time"] for r in whole["rounds"]]
