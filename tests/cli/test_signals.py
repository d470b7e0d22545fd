"""However a command is asked to end, and however often at once, it is interrupted once."""

import signal
from types import SimpleNamespace

import pytest

from atoll.surfaces.cli import _dispatch


@pytest.fixture
def clock(monkeypatch):
    """Tells the time that was set last."""
    told = [100.0]
    monkeypatch.setattr(_dispatch, "time", SimpleNamespace(monotonic=lambda: told[0]))
    return told


def test_signals_within_a_moment_interrupt_once(clock):
    interrupt = _dispatch.Interruptions()
    with pytest.raises(KeyboardInterrupt):
        interrupt(signal.SIGINT, None)
    for later in (0.0, 0.001, 0.19):
        clock[0] = 100.0 + later
        interrupt(signal.SIGTERM, None)


def test_who_asks_again_is_heard(clock):
    interrupt = _dispatch.Interruptions()
    for at in (100.0, 100.5, 101.0):
        clock[0] = at
        with pytest.raises(KeyboardInterrupt):
            interrupt(signal.SIGINT, None)
