"""Processes in the background, with commands that need no coordinator."""

import os
import signal
import subprocess
import sys

import pytest

from atoll.surfaces.cli._background import Background, end
from atoll.values import RunError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="locks that are inherited")


@pytest.fixture
def begun(tmp_path, monkeypatch):
    """Starts a program in the background; its arguments are the Python that it runs."""

    def start(program: str) -> Background:
        real = subprocess.Popen

        def popen(command, **options):
            return real([sys.executable, "-c", program], **options)

        monkeypatch.setattr(subprocess, "Popen", popen)
        process = Background(tmp_path, "node-0")
        process.start([], dict(os.environ))
        monkeypatch.setattr(subprocess, "Popen", real)
        return process

    return start


READY = 'import os, signal\nprint(\'{"url": "u"}\', flush=True)\nos.close(1)\n'


def test_it_is_ready_when_it_says_so_and_alive_as_long_as_it_lives(begun):
    process = begun(READY + "signal.pause()")
    assert process.ready() == {"url": "u"}
    assert (process.alive, process.pid > 0) == (True, True)
    assert end([process], grace=20) == []
    assert (process.alive, process.pid) == (False, 0)


def test_one_that_does_not_listen_is_killed_with_what_it_started(begun):
    child = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'], close_fds=False, stdout=subprocess.DEVNULL)\n"
    process = begun(
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        + child
        + READY
        + "while True: signal.pause()"
    )
    process.ready()
    assert end([process], grace=0.3) == ["node-0"]
    assert not process.alive


def test_one_that_fails_says_why(begun):
    process = begun("""print('{"code": "x", "message": "the port is taken", "mend": "another"}')""")
    with pytest.raises(RunError, match="node-0 did not start: the port is taken"):
        process.ready()


def test_one_that_dies_without_a_word_is_told_by_its_log(begun):
    process = begun("raise SystemExit('no such thing')")
    with pytest.raises(RunError, match="no such thing"):
        process.ready()


def test_a_process_that_is_not_ours_is_never_signalled(tmp_path):
    (tmp_path / "node-0.lock").write_text(str(os.getpid()))  # left by one that died
    process = Background(tmp_path, "node-0")
    assert (process.alive, process.pid) == (False, 0)
    before = signal.getsignal(signal.SIGTERM)
    assert end([process], grace=1) == []
    assert signal.getsignal(signal.SIGTERM) is before
