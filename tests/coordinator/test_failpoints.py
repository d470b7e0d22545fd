"""A kill at every failpoint of the coordinator's own commits: what was acknowledged is there, and counts once."""

from __future__ import annotations

import json
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

import atoll.service.coordinator._desk
from atoll.journal import Accepted, Committed, Failed, Finished, SqliteJournal
from atoll.values import FAILPOINTS
from forked import Ready
from forked import ready as make_ready

ORDEAL = Path(__file__).with_name("desk_ordeal.py")
POINTS = sorted(name for name in FAILPOINTS if name.startswith("coordinator."))
assert atoll.service.coordinator._desk


@pytest.fixture(scope="module")
def ready() -> Iterator[Ready]:
    """What every ordeal is a fork of: imports take longer than an ordeal."""
    with make_ready(ORDEAL) as process:
        yield process


def run(ready: Ready, home: Path, failpoint: str = "") -> int:
    errors = home / "stderr"
    code = ready.start(str(home), errors=errors, failpoint=failpoint).wait(110)
    assert code in (0, -signal.SIGKILL), errors.read_text()
    return code


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
def test_a_kill_at_every_failpoint_loses_nothing_and_counts_nothing_twice(
    ready: Ready, tmp_path: Path, point: str
) -> None:
    killed = [run(ready, tmp_path, f"{point}:{passage}") for passage in (1, 3)]
    assert -signal.SIGKILL in killed, "it was never passed"
    assert run(ready, tmp_path) == 0
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
