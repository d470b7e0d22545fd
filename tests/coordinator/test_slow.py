"""Whoever is too slow: they keep nobody else from being served, and are let go."""

from __future__ import annotations

import errno
import socket
import sys

import pytest

from atoll.service.coordinator import _listen


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how long something was not taken")
def test_a_connection_that_takes_nothing_of_what_is_sent_is_given_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_listen, "UNREAD", 500)
    with _listen.listen("127.0.0.1", 0) as listening:
        listening.setblocking(True)
        with socket.create_connection(listening.getsockname()):
            taken, _ = listening.accept()
            taken.settimeout(20)
            with taken, pytest.raises(OSError) as ended:
                taken.sendall(bytes(64 << 20))
    assert ended.value.errno == errno.ETIMEDOUT  # the system's word; the test's own limit has none
