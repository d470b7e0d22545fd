"""A kill at every failpoint of the coordinator's own commits: what was acknowledged is there, and counts once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import atoll.service.coordinator._desk
from atoll.journal import Accepted, Committed, Failed, Finished, SqliteJournal
from atoll.values import FAILPOINTS

ORDEAL = Path(__file__).with_name("desk_ordeal.py")
POINTS = sorted(name for name in FAILPOINTS if name.startswith("coordinator."))
assert atoll.service.coordinator._desk


def run(home: Path, failpoint: str = "") -> int:
    environment = {**os.environ, "ATOLL_FAILPOINT": failpoint}
    ended = subprocess.run(
        [sys.executable, str(ORDEAL), str(home)], env=environment, capture_output=True, text=True, timeout=110
    )
    assert ended.returncode in (0, -signal.SIGKILL), ended.stderr
    return ended.returncode


def audited(home: Path) -> Counter[str | tuple[str, str]]:
    """What the audit log says of the run: replies by call and digest."""
    found: Counter[str | tuple[str, str]] = Counter()
    for line in (home / "audit.jsonl").read_bytes().splitlines():
        entry = json.loads(line)
        if entry["kind"] in ("run-begun", "run-ended"):
            found[entry["kind"]] += 1
        for _, call, digest in entry["what"].get("replies", ()):
            found[call, digest] += 1
    return found


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_every_failpoint_loses_nothing_and_counts_nothing_twice(tmp_path: Path, point: str) -> None:
    killed = [run(tmp_path, f"{point}:{passage}") for passage in (1, 3)]
    assert -signal.SIGKILL in killed, "it was never passed"
    assert run(tmp_path) == 0
    journal = SqliteJournal(tmp_path)
    events = [e for _, e in journal.events("ordeal")]
    journal.close()
    counted = Counter((e.round, e.ordinal, e.index) for e in events if isinstance(e, Accepted))
    failed = Counter((e.round, e.ordinal, e.index) for e in events if isinstance(e, Failed))
    assert counted == Counter(
        (r, o, i) for r in (1, 2, 3) for o in (0, 1) for i in (0, 1) if (o, i) != (1, 1)
    )
    assert failed == Counter((r, 1, 1) for r in (1, 2, 3))
    assert [e.round for e in events if isinstance(e, Committed)] == [1, 2, 3]
    assert [e.status for e in events if isinstance(e, Finished)] == ["finished"]
    assert audited(tmp_path) == Counter(
        ["run-begun", *((e.key, e.digest) for e in events if isinstance(e, Accepted)), "run-ended"]
    )
    assert sum(1 for _ in tmp_path.glob("outbox-*/*")) == 12, "each call was performed"
