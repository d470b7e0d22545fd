"""What only a journal on a disk can do, and what can go wrong with a disk."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from atoll.journal import SqliteJournal
from atoll.values import ArraysError, AtollError, JournalError

LARGE = 20_000  # float64s, over the 64 KiB that go into the database


def put(journal: SqliteJournal, run: str, make: Any, seed: int, size: int = LARGE) -> str:
    keys: list[str] = []

    def build(shelf: Any) -> Any:
        keys.append(shelf.put("model", make.arrays(seed, size)))
        return make.committed(seed, state={"model": keys[0]})

    journal.append(run, build)
    journal.flush()
    return keys[0]


def process(script: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)


def test_another_journal_object_reads_what_was_written(tmp_path: Path, make: Any) -> None:
    writer = SqliteJournal(tmp_path)
    run = writer.create(make.created()).id
    keys = [put(writer, run, make, 1), put(writer, run, make, 2, size=5)]
    reader = SqliteJournal(tmp_path)
    assert [n for n, _ in reader.events(run)] == [1, 2, 3]
    assert reader.arrays(run, keys[0]) == make.arrays(1, LARGE)
    assert reader.arrays(run, keys[1]) == make.arrays(2, 5)
    assert reader.find("@latest").round == 2
    writer.close()
    assert [n for n, _ in SqliteJournal(tmp_path).events(run)] == [1, 2, 3]


def test_large_arrays_are_files_named_by_their_digest_and_small_ones_are_not(
    tmp_path: Path, make: Any
) -> None:
    journal = SqliteJournal(tmp_path)
    run = journal.create(make.created()).id
    key = put(journal, run, make, 1)
    put(journal, run, make, 2, size=5)
    put(journal, run, make, 1)
    files = [p.name for p in (tmp_path / "runs" / run).glob("*.safetensors")]
    assert files == [f"{key}.safetensors"]
    assert make.arrays(1, LARGE).digest.partition(":")[2] in key


def test_nobody_else_can_read_the_journal(tmp_path: Path, make: Any) -> None:
    SqliteJournal(tmp_path / "home").create(make.created())
    assert (tmp_path / "home" / "journal.db").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("damage", ["truncated", "emptied", "overwritten"])
def test_a_damaged_file_is_told_and_never_read_as_a_model(tmp_path: Path, make: Any, damage: str) -> None:
    journal = SqliteJournal(tmp_path)
    run = journal.create(make.created()).id
    key = put(journal, run, make, 1)
    path = tmp_path / "runs" / run / f"{key}.safetensors"
    whole = path.read_bytes()
    path.write_bytes({"truncated": whole[:-1], "emptied": b"", "overwritten": b"x" * len(whole)}[damage])
    with pytest.raises(ArraysError) as damaged:
        journal.arrays(run, key)
    assert "run the app again" in damaged.value.mend


def test_what_a_crash_left_behind_is_swept(tmp_path: Path, make: Any) -> None:
    journal = SqliteJournal(tmp_path)
    run = journal.create(make.created()).id
    keys = [put(journal, run, make, i) for i in range(3)]
    folder = tmp_path / "runs" / run
    (folder / ".model.safetensors.123.part").write_bytes(b"half")
    journal.keep_only(run, keys[1:])
    assert sorted(p.stem for p in folder.glob("*.safetensors")) == sorted(keys[1:])
    assert not list(folder.glob(".*"))


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_bytes(b"this is no database, but longer than a header of one" * 100)
    with pytest.raises(JournalError) as refused:
        SqliteJournal(tmp_path)
    assert refused.value.code == "journal.unusable"
    assert "ATOLL_HOME" in refused.value.mend


def test_a_damaged_database_is_told(tmp_path: Path, make: Any) -> None:
    journal = SqliteJournal(tmp_path)
    run = journal.create(make.created()).id
    for i in range(2000):
        journal.append(run, make.logged(f"{i} {'x' * 100}"))
    journal.close()
    path = tmp_path / "journal.db"
    with open(path, "r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 8192))
    damaged = SqliteJournal(tmp_path)
    with pytest.raises(JournalError) as told:
        list(damaged.events(run))
    assert told.value.code in ("journal.damaged", "journal.unreadable")
    assert told.value.mend


def test_a_folder_that_cannot_be_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError) as refused:
        SqliteJournal(tmp_path / "file" / "home")
    assert refused.value.code == "journal.unusable"


def test_a_newer_journal_is_left_alone(tmp_path: Path, make: Any) -> None:
    SqliteJournal(tmp_path).close()
    database = sqlite3.connect(tmp_path / "journal.db")
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(JournalError) as refused:
        SqliteJournal(tmp_path)
    assert refused.value.code == "journal.newer"
    assert "upgrade atoll" in refused.value.mend


def test_an_event_of_a_newer_atoll_is_told(tmp_path: Path, make: Any) -> None:
    import msgspec

    journal = SqliteJournal(tmp_path)
    run = journal.create(make.created()).id
    database = sqlite3.connect(tmp_path / "journal.db")
    database.execute(
        "INSERT INTO events VALUES (?, 2, 'x', ?)",
        (run, msgspec.msgpack.encode({"kind": "sealed", "time": 1.0})),
    )
    database.commit()
    with pytest.raises(JournalError) as unreadable:
        list(journal.events(run))
    assert unreadable.value.code == "journal.unreadable"
    assert "newer" in unreadable.value.mend


def test_an_event_with_fields_of_a_later_version_is_read(tmp_path: Path, make: Any) -> None:
    import msgspec

    journal = SqliteJournal(tmp_path)
    run = journal.create(make.created()).id
    body = msgspec.msgpack.encode({"kind": "logged", "time": 1.0, "v": 2, "message": "hi", "colour": "red"})
    database = sqlite3.connect(tmp_path / "journal.db")
    database.execute("INSERT INTO events VALUES (?, 2, 'logged', ?)", (run, body))
    database.commit()
    assert [e.message for _, e in journal.events(run, 1)] == ["hi"]


# -- when writing fails ------------------------------------------------------------------------------------


def test_a_full_disk_is_told_with_what_mends_it_and_keeps_what_was_durable(tmp_path: Path, make: Any) -> None:
    journal = SqliteJournal(tmp_path)
    run = journal.create(make.created()).id
    journal.append(run, make.logged("durable"))
    journal.flush()

    def full(shelf: Any) -> Any:
        raise OSError(28, "No space left on device")

    journal.append(run, full)
    with pytest.raises(JournalError) as told:
        journal.flush()
    assert told.value.code == "journal.write-failed"
    assert "No space left" in told.value.message
    assert "atoll resume" in told.value.mend
    with pytest.raises(JournalError):
        journal.append(run, make.logged("after"))
    journal.close()
    assert [e.message for _, e in SqliteJournal(tmp_path).events(run, 1)] == ["durable"]


def test_a_database_that_cannot_grow_is_told(tmp_path: Path, make: Any) -> None:
    script = """
import resource, sys
from atoll.journal import Created, Logged, SqliteJournal
from atoll.values import JournalError, new_run_id
journal = SqliteJournal(sys.argv[1])
run = journal.create(Created(time=1.0, id=new_run_id(), name="", app={}, config={}, seed=0, nodes=[])).id
import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
try:
    for i in range(5000):
        journal.append(run, Logged(time=1.0, message="x" * 1000))
    journal.flush()
except JournalError as error:
    print(error.code, bool(error.mend))
"""
    with process(script, tmp_path) as child:
        assert child.communicate(timeout=60)[0].split() == ["journal.write-failed", "True"]
    journal = SqliteJournal(tmp_path)
    assert next(iter(journal.events(journal.find("@latest").id)))[0] == 1


def test_an_entry_that_cannot_be_built_is_told_to_whoever_waits(tmp_path: Path, make: Any) -> None:
    journal = SqliteJournal(tmp_path)
    run = journal.create(make.created()).id

    def build(shelf: Any) -> Any:
        raise AtollError("some.code", "this says why", "and this what to do")

    journal.append(run, build)
    with pytest.raises(AtollError, match="this says why"):
        journal.flush()


def test_a_closed_journal_takes_nothing_and_may_be_closed_again(tmp_path: Path, make: Any) -> None:
    journal = SqliteJournal(tmp_path)
    run = journal.create(make.created()).id
    journal.append(run, make.logged("durable"))
    journal.close()
    journal.close()
    with pytest.raises(JournalError) as closed:
        journal.append(run, make.logged("after"))
    assert closed.value.code == "journal.closed"
    assert [e.message for _, e in SqliteJournal(tmp_path).events(run, 1)] == ["durable"]


def test_a_lot_that_waits_makes_the_next_wait_but_goes_through(tmp_path: Path, make: Any) -> None:
    journal = SqliteJournal(tmp_path)
    run = journal.create(make.created()).id
    for i in range(20):
        journal.append(run, make.logged(str(i)), nbytes=40 << 20)
    journal.flush()
    assert len(list(journal.events(run))) == 21


# -- several processes -------------------------------------------------------------------------------------

WRITING = """
import sys
from atoll.journal import Created, Logged, SqliteJournal
from atoll.values import new_run_id
journal = SqliteJournal(sys.argv[1])
sys.stdin.readline()
for _ in range(10):
    run = journal.create(Created(time=1.0, id=new_run_id(), name="", app={"name": "app"}, config={}, seed=0, nodes=[])).id
    with_hold = journal.hold(run)
    for i in range(30):
        journal.append(run, Logged(time=1.0, message=str(i)))
    journal.flush()
    with_hold.release()
journal.close()
"""


def test_processes_that_write_at_once_get_names_of_their_own_and_lose_nothing(tmp_path: Path) -> None:
    children = [process(WRITING, tmp_path / "home") for _ in range(3)]
    for child in children:
        assert child.stdin
        child.stdin.write("go\n")
        child.stdin.flush()
    assert [child.wait(60) for child in children] == [0, 0, 0]
    for child in children:
        child.communicate()
    journal = SqliteJournal(tmp_path / "home")
    assert sorted(int(s.name.partition("-")[2]) for s in journal.runs()) == list(range(1, 31))
    for summary in journal.runs():
        assert [e.message for _, e in journal.events(summary.id, 1)] == [str(i) for i in range(30)]


OPENING = """
import sys
from atoll.journal import SqliteJournal
for line in sys.stdin:
    SqliteJournal(line.strip()).close()
    print("opened", flush=True)
"""


def test_processes_that_open_a_new_journal_at_once_all_get_it(tmp_path: Path) -> None:
    children = [process(OPENING) for _ in range(3)]
    for number in range(30):
        for child in children:
            assert child.stdin
            child.stdin.write(f"{tmp_path / str(number)}\n")
            child.stdin.flush()
        for child in children:
            assert child.stdout
            assert child.stdout.readline() == "opened\n"
    for child in children:
        child.communicate()


def test_a_run_held_by_another_process_is_busy_until_that_is_killed(tmp_path: Path, make: Any) -> None:
    journal = SqliteJournal(tmp_path)
    run = journal.create(make.created()).id
    script = "import sys\nfrom atoll.journal import SqliteJournal\nhold = SqliteJournal(sys.argv[1]).hold(sys.argv[2])\nprint('held', flush=True)\nsys.stdin.read()"
    with process(script, tmp_path, run) as child:
        assert child.stdout
        assert child.stdout.readline() == "held\n"
        assert journal.held(run)
        with pytest.raises(JournalError) as busy:
            journal.hold(run)
        assert busy.value.code == "run.busy"
        child.send_signal(signal.SIGKILL)
    assert not journal.held(run)
    journal.hold(run).release()


FLUSHING = """
import sys
import numpy as np
from atoll import Arrays
from atoll.journal import Committed, Logged, SqliteJournal
journal = SqliteJournal(sys.argv[1])
for i in range(100_000):
    journal.append(sys.argv[2], Logged(time=1.0, message=str(i)))
    state = Arrays(x=np.full(9_000 if i % 2 else 3, i))
    journal.append(sys.argv[2], lambda shelf: Committed(time=1.0, round=i, total=9, state={"model": shelf.put("model", state)}))
    journal.flush()
    print(i, flush=True)
"""


def test_what_was_flushed_survives_kill_9_at_any_moment(tmp_path: Path, make: Any) -> None:
    journal = SqliteJournal(tmp_path)
    run = journal.create(make.created()).id
    for kill_after in (1, 7, 23):
        with process(FLUSHING, tmp_path, run) as child:
            assert child.stdout
            acknowledged = [child.stdout.readline() for _ in range(kill_after)]
            child.send_signal(signal.SIGKILL)
            acknowledged += child.stdout.readlines()
        count = len([line for line in acknowledged if line.endswith("\n")])
        events = [e for n, e in journal.events(run) if n > 1]
        assert [n for n, _ in journal.events(run)] == list(range(1, len(events) + 2))
        last = [i for i, e in enumerate(events) if getattr(e, "message", "") == "0"][-1]
        mine = events[last:]
        assert [e.message for e in mine[::2]][:count] == [str(i) for i in range(count)]
        for e in mine[1::2]:
            assert int(journal.arrays(run, e.state["model"])["x"][0]) == e.round


def test_a_journal_that_could_not_be_written_is_revived(tmp_path: Path, make: Any) -> None:
    journal = SqliteJournal(tmp_path)
    run = journal.create(make.created()).id
    failures: list[Exception | None] = []

    def broken(shelf: Any) -> Any:
        raise OSError(28, "No space left on device")

    journal.append_all(run, broken)
    with pytest.raises(JournalError):
        journal.flush()
    journal.when_durable(failures.append)
    assert [getattr(f, "code", "") for f in failures] == ["journal.write-failed"]
    journal.revive()
    journal.append(run, make.logged("kept"))
    journal.flush()
    assert [e.message for _, e in journal.events(run, 1)] == ["kept"]
    journal.close()
