"""Failpoints: named places where a test can kill the process, as a power cut would.

Doesn't know who sets them: `ATOLL_FAILPOINT=name` dies at the first passage of that place, `name:3` at the third.
"""

from __future__ import annotations

import os
import signal

FAILPOINTS: dict[str, str] = {}
_armed, _, _passages = os.environ.get("ATOLL_FAILPOINT", "").partition(":")
_left = int(_passages or 1)


def register(name: str, meaning: str) -> str:
    """Declare a failpoint, so that the tests can enumerate it; returns its name."""
    FAILPOINTS[name] = meaning
    return name


def failpoint(name: str) -> None:
    """Die here, without cleaning up, when this failpoint is armed."""
    global _left
    if name == _armed:
        _left -= 1
        if _left == 0:
            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
