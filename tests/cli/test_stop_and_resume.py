import os
import signal
import subprocess

import pytest

LONG = ("--set", "rounds=30", "--set", "pause=0.01")


def model_of(shell, run):
    path = shell.folder / f"{run}.safetensors"
    assert shell("pull", run, "-o", str(path)).code == 0
    return path.read_bytes()


@pytest.fixture
def whole(shell):
    """The model of a run that nobody interrupts."""
    assert shell("run", "--name", "whole", "--quiet", *LONG).code == 0
    return model_of(shell, "whole")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_stops_cleanly_says_how_to_resume_and_ends_the_same(number, shell, reading, whole):
    with shell.start("run", "--name", "cut", *LONG) as process:
        reading(process, 3)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (4, "")
    assert "stopped" in out
    assert "atoll resume cut" in out
    assert shell("show", "cut", "--json").document["status"] == "stopped"
    resumed = shell("resume", "cut")
    assert (resumed.code, "on from round" in resumed.out) == (0, True)
    assert model_of(shell, "cut") == whole


def test_a_run_that_was_killed_is_interrupted_and_goes_on_to_the_same_model(shell, reading, whole):
    with shell.start("run", "--name", "killed", *LONG) as process:
        reading(process, 3)
        process.kill()
    assert "interrupted" in shell("ls").out
    assert shell("resume", "killed", "--json").document["status"] == "finished"
    assert model_of(shell, "killed") == whole


def test_a_run_is_stopped_from_another_terminal(shell, reading):
    with shell.start("run", "--name", "far", "--set", "rounds=1000", "--set", "pause=0.02") as process:
        reading(process, 2)
        busy, twice = shell("rm", "far", "--yes"), shell("resume", "far")
        said = shell("stop", "far", "--json")
        process.communicate(timeout=60)
    assert (busy.code, "is running" in busy.err) == (1, True)
    assert (twice.code, "is running" in twice.err, "failed" in twice.err) == (1, True, False)
    assert (said.code, process.returncode) == (0, 4)
    assert (said.document["schema"], said.document["status"]) == ("atoll.stop/1", "stopped")


def test_a_run_started_in_the_background_can_be_stopped_too(shell, reading):
    """A shell without job control starts what ends in & with SIGINT ignored."""
    with shell.start("run", "--set", "rounds=1000", "--set", "pause=0.02", preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)) as process:
        reading(process, 1)
        assert shell("stop", "@latest").code == 0
        process.communicate(timeout=60)
    assert process.returncode == 4


def test_a_stopped_run_has_a_document(shell, reading):
    with shell.start("run", "--json", "--set", "rounds=1000", "--set", "pause=0.02", stderr=subprocess.STDOUT) as process:
        reading(process, 2)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 4
    assert '"status": "stopped"' in out


def test_following_a_log_ends_with_the_run(shell, reading):
    with shell.start("run", "--set", "rounds=1000", "--set", "pause=0.02") as process:
        reading(process, 1)
        with shell.start("log", "@latest", "--follow") as log:
            reading(log, 5)
            os.kill(process.pid, signal.SIGINT)
            rest, _ = log.communicate(timeout=60)
        process.communicate(timeout=60)
    assert "stopped" in rest
    assert log.returncode == 0


def test_a_finished_run_is_neither_resumed_nor_stopped(past):
    again, stopped = past("resume", "good"), past("stop", "good")
    assert (again.code, "good is finished" in again.err) == (2, True)
    assert (stopped.code, "good is not running" in stopped.err) == (1, True)


def test_resuming_after_a_change_of_the_code_says_so(shell, reading):
    assert shell("run", "--set", "mood=unwell").code == 1
    server = shell.folder / "tiny" / "server.py"
    server.write_text(server.read_text().replace('"unwell"', '"never this again"'))
    said = shell("resume", "@latest")
    assert said.code == 0
    assert "the app's code has changed" in said.err


def test_a_run_whose_app_is_gone_says_where_it_was(shell):
    assert shell("run", "--set", "mood=unwell").code == 1
    moved = shell.folder.with_name("moved")
    shell.folder.rename(moved)
    said = shell.at(moved)("resume", "@latest")
    assert said.code == 3
    assert str(shell.folder) in said.err
