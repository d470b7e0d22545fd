"""One program's process, seen from its host: how its end is told."""

from __future__ import annotations

import queue
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from atoll.service.host._child import Child, End
from atoll.service.host._settings import CUT_OFF, FENCED, STOPPED, Order
from atoll.service.workshop import Prepared
from atoll.wire import Address, RunSpec


class Ending:
    """Starts what reads its order and ends with a status."""

    def __init__(self, status: int) -> None:
        self._program = f"import sys; sys.stdin.readline(); sys.exit({status})"

    def process(self, prepared: Prepared, threads: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-c", self._program],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )


@pytest.mark.parametrize(
    ("status", "told"), [(0, 0), (STOPPED, 0), (FENCED, 0), (CUT_OFF, 0), (1, 1), (3, 3)]
)
def test_a_program_that_was_stopped_or_replaced_is_not_at_fault(
    tmp_path: Path, status: int, told: int
) -> None:
    """Its end may be told late, when its run has been resumed: it must not fail for that."""
    spec = RunSpec(run="r", name="r", federation="f", bundle="sha256:" + 64 * "0")
    order = Order(coordinator=Address("http://127.0.0.1:1"), spec=spec, folder="", work="")
    ends: queue.SimpleQueue[End] = queue.SimpleQueue()
    starting: Any = Ending(status)
    Child(
        order,
        tmp_path / "r",
        prepare=lambda: Prepared(tmp_path, sys.executable),
        starting=starting,
        ended=lambda _, end: ends.put(end),
    )
    end = ends.get(timeout=30)
    assert (end.how, end.code) == (f"exit status {status}", told)
