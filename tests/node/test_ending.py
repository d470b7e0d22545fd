"""How a daemon is asked to end: whichever thread the system gives the signal to, it hears."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import signal, threading, time
from atoll.service._daemon import Ends

ends = Ends()
other = threading.Thread(target=threading.Event().wait, daemon=True)
other.start()

def ask():
    main = threading.main_thread().native_id
    while open(f"/proc/self/task/{main}/stat").read().rpartition(")")[2].split()[0] != "S":
        time.sleep(0.001)  # until the main thread waits
    signal.pthread_kill(other.ident, signal.SIGTERM)

threading.Thread(target=ask, daemon=True).start()
assert ends.get() is None
assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL  # asked again, it ends at once
"""


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="whether a thread waits is read in /proc")
def test_a_signal_that_another_thread_gets_is_heard():
    done = subprocess.run([sys.executable, "-c", PROGRAM], timeout=30, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
