"""A folder of objects: full disks, sudden ends, other processes."""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import random
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from atoll.store import DirectoryStore, digest_bytes, hex_of
from atoll.store import _disk as disk
from atoll.values import FAILPOINTS, DiskFull, ObjectDamaged, StoreError

BODY = random.Random(1).randbytes(300_000)
DIGEST = digest_bytes(BODY)


def files(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def object_file(folder: Path, digest: str = DIGEST) -> Path:
    return folder / hex_of(digest)[:2] / hex_of(digest)


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path, reserve=0)


def test_objects_lie_under_their_names_and_are_not_writable(store: DirectoryStore, tmp_path: Path) -> None:
    store.put(DIGEST, BODY)
    assert files(tmp_path) == [f"{hex_of(DIGEST)[:2]}/{hex_of(DIGEST)}"]
    assert store.path(DIGEST) == object_file(tmp_path)
    assert stat.S_IMODE(object_file(tmp_path).stat().st_mode) == 0o444


def test_a_damaged_object_is_put_aside_until_a_sweep(store: DirectoryStore, tmp_path: Path) -> None:
    store.put(DIGEST, BODY)
    os.chmod(object_file(tmp_path), 0o600)
    object_file(tmp_path).write_bytes(BODY[:-1])
    with pytest.raises(ObjectDamaged):
        store.open(DIGEST)
    (aside,) = files(tmp_path)
    assert aside.startswith(f"damaged/{hex_of(DIGEST)}.")
    store.sweep(set(), 3_600)
    assert files(tmp_path) == [aside]
    os.utime(tmp_path / aside, (0, 0))
    store.sweep(set(), 3_600)
    assert files(tmp_path) == []


def test_the_oldest_objects_go_when_a_cache_has_no_room(tmp_path: Path) -> None:
    now = time.time()
    store = DirectoryStore(tmp_path, clock=lambda: now, reserve=0)
    digests = []
    for n in range(4):
        body = bytes([n]) * 1000
        digests.append(digest_bytes(body))
        store.put(digests[-1], body)
        now += 1000
    store.trim(2_500)
    assert store.has(digests) == set(digests[2:])
    store.trim(0)
    assert store.has(digests) == set(digests[2:]), "they have been asked for just now"


def test_a_writer_that_kept_the_file_open_is_found_out(store: DirectoryStore, tmp_path: Path) -> None:
    path = tmp_path / "spooled"
    with open(path, "w+b") as file:
        file.write(BODY)
        file.flush()
        assert store.adopt(path) == DIGEST
        assert bytes(store.open(DIGEST)) == BODY
        file.seek(0)
        file.write(b"something else")
        file.flush()
        with pytest.raises(ObjectDamaged):
            store.open(DIGEST)


# -- full disks --------------------------------------------------------------------------------------------------


def full_at(monkeypatch: pytest.MonkeyPatch, module: str, name: str, code: int = errno.ENOSPC) -> None:
    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(f"atoll.store.{module}.{name}", fail)


def test_an_object_for_which_there_is_no_room_is_refused_at_once(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path, reserve=1 << 60)
    for attempt in (lambda: store.put(DIGEST, BODY), lambda: store.receive(DIGEST, len(BODY))):
        with pytest.raises(DiskFull) as refused:
            attempt()
        assert refused.value.code == "disk.full"
        assert str(tmp_path) in refused.value.message
    assert files(tmp_path) == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("size", [300_000, 5 << 20])
def test_a_disk_that_fills_while_bytes_come_keeps_those_that_came(
    store: DirectoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, code: int
) -> None:
    body = random.Random(2).randbytes(size)
    digest = digest_bytes(body)
    with store.receive(digest, size) as part:
        part.write(body[:100_000])
        with monkeypatch.context() as patch:
            full_at(patch, "_part", "write_some", code)
            with pytest.raises(DiskFull):
                part.write(body[100_000:])
    assert store.has([digest]) == set()
    assert store.held([digest]) == {digest: 100_000}
    with store.receive(digest, size) as part:
        part.write(body[part.held :])
        part.finish()
    assert bytes(store.open(digest)) == body


@pytest.mark.parametrize("size", [300_000, 5 << 20])
@pytest.mark.parametrize("primitive", ["sync_all", "rename_all"])
def test_a_disk_that_is_found_full_at_the_end_leaves_nothing_half_done(
    store: DirectoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, primitive: str
) -> None:
    body = random.Random(2).randbytes(size)
    with monkeypatch.context() as patch:
        full_at(patch, "_directory", primitive)
        with pytest.raises(DiskFull):
            store.put(digest_bytes(body), body)
    assert store.has([digest_bytes(body)]) == set()
    if primitive == "sync_all":
        assert files(tmp_path) == [], "what was not synced is not to be trusted"
    store.put(digest_bytes(body), body)
    store.verify(digest_bytes(body))


def test_another_failure_of_the_disk_is_told(store: DirectoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    full_at(monkeypatch, "_part", "write_some", errno.EIO)
    with pytest.raises(StoreError) as refused:
        store.put(DIGEST, BODY)
    assert refused.value.code == "store.unusable"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True)
    if done.returncode:
        pytest.skip("only root can mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def test_a_disk_that_is_really_full_takes_the_object_once_there_is_room(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = DirectoryStore(small_disk, reserve=0)
    (small_disk / "ballast").write_bytes(bytes(900_000))
    with pytest.raises(DiskFull):
        store.put(DIGEST, BODY)
    monkeypatch.setattr("atoll.store._landing.room", lambda _: 1 << 30)  # somebody else takes it meanwhile
    with pytest.raises(DiskFull):
        store.put(DIGEST, BODY)
    assert store.has([DIGEST]) == set()
    (small_disk / "ballast").unlink()
    store.put(DIGEST, BODY)
    store.verify(DIGEST)


# -- sudden ends -------------------------------------------------------------------------------------------------

PROGRAM = """
import random, sys
from pathlib import Path
from atoll.store import DirectoryStore, digest_bytes
folder, way = Path(sys.argv[1]), sys.argv[2]
body = random.Random(1).randbytes(300_000)
store = DirectoryStore(folder, reserve=0)
if way == "put":
    store.put(digest_bytes(body), body)
elif way == "adopt":
    (folder / "spooled").write_bytes(body)
    store.adopt(folder / "spooled")
else:
    with store.receive(digest_bytes(body), len(body)) as part:
        print(part.held, flush=True)
        while part.held < len(body):
            part.write(body[part.held:part.held + 30_000])
            if way == "slowly":
                sys.stdin.readline()
        part.finish()
store.remove(digest_bytes(b"nothing"))
print("done", flush=True)
"""


def child(folder: Path, way: str, failpoint: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder), way],
        env={**os.environ, "ATOLL_FAILPOINT": failpoint},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


PLACES = [v for n, v in vars(disk).items() if n.startswith(("BEFORE", "AFTER"))]


def test_the_places_are_registered() -> None:
    assert set(PLACES) <= FAILPOINTS.keys()
    assert len(PLACES) == 7


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("way", ["put", "receive", "adopt"])
@pytest.mark.parametrize("place", [f"{p}:{n}" for p in PLACES for n in ((1, 5) if "write" in p else (1,))])
def test_killed_at_any_place_an_object_is_whole_or_not_there(tmp_path: Path, place: str, way: str) -> None:
    process = child(tmp_path, way, place)
    said, _ = process.communicate(timeout=60)
    if process.returncode == 0:
        assert said.endswith("done\n")
        assert "write" in place, "every other place is passed by all"
    else:
        assert process.returncode == -signal.SIGKILL
    store = DirectoryStore(tmp_path, reserve=0)
    if store.has([DIGEST]):
        store.verify(DIGEST)
    with store.receive(DIGEST, len(BODY)) as part:
        part.write(BODY[part.held :])
        part.finish()
    assert bytes(store.open(DIGEST)) == BODY
    for path in (tmp_path / "parts").iterdir():
        os.utime(path, (0, 0))
    (tmp_path / "spooled").unlink(missing_ok=True)
    store.sweep({DIGEST}, 3_600)
    assert files(tmp_path) == [f"{hex_of(DIGEST)[:2]}/{hex_of(DIGEST)}"]


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_receiver_in_another_process_is_respected_and_a_killed_one_is_continued(tmp_path: Path) -> None:
    process = child(tmp_path, "slowly")
    assert process.stdin
    assert process.stdout
    assert process.stdout.readline() == "0\n"
    process.stdin.write("\n\n")
    process.stdin.flush()
    store = DirectoryStore(tmp_path, reserve=0)
    until(lambda: store.held([DIGEST]) == {DIGEST: 90_000})
    with store.receive(DIGEST, len(BODY)) as beside:
        assert beside.held == 0, "the other process has the part"
        os.utime(tmp_path / "parts" / hex_of(DIGEST), (0, 0))
        store.sweep(set(), 3_600)
        assert (tmp_path / "parts" / hex_of(DIGEST)).exists()
        process.kill()
        process.communicate()
    with store.receive(DIGEST, len(BODY)) as part:
        assert part.held == 90_000
        part.write(BODY[part.held :])
        part.finish()
    assert bytes(store.open(DIGEST)) == BODY


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_receiver_that_held_more_leaves_it_to_the_next(store: DirectoryStore, tmp_path: Path) -> None:
    with contextlib.ExitStack() as others:
        first = others.enter_context(store.receive(DIGEST, len(BODY)))
        first.write(BODY[:10_000])
        second = store.receive(DIGEST, len(BODY))
        second.write(BODY[:50_000])
        others.close()
        second.close()
    assert files(tmp_path) == [f"parts/{hex_of(DIGEST)}"]
    assert store.held([DIGEST]) == {DIGEST: 50_000}


def test_a_sweep_never_takes_what_somebody_has_just_asked_for_or_put(tmp_path: Path) -> None:
    store, bodies = DirectoryStore(tmp_path, reserve=0), [bytes([n]) * 100 for n in range(20)]
    names, done = {digest_bytes(b): b for b in bodies}, threading.Event()

    def sweep() -> None:
        while not done.is_set():
            store.sweep(set(), 3_600)

    def age() -> None:
        while not done.is_set():
            for path in tmp_path.glob("??/*"):
                with contextlib.suppress(FileNotFoundError):
                    if time.time() - path.stat().st_mtime > 0.5:  # in use for less than that
                        os.utime(path, (0, 0))

    threads = [threading.Thread(target=work) for work in (sweep, sweep, age)]
    for thread in threads:
        thread.start()
    try:
        dice = random.Random(0)
        for _ in range(600):
            digest = dice.choice(list(names))
            if store.has([digest]):
                found = bytes(store.open(digest))
            else:
                store.put(digest, names[digest])
                found = bytes(store.open(digest))
            assert found == names[digest]
    finally:
        done.set()
        for thread in threads:
            thread.join()


def test_descriptors_and_threads_do_not_grow(store: DirectoryStore) -> None:
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("no /proc")
    gc.collect()  # what other tests left open
    descriptors, threads = len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))
    for n in range(30):
        body = random.Random(n).randbytes(3 << 20)
        with store.receive(digest_bytes(body), len(body)) as part:
            part.write(body[: 1 << 20])
        store.put(digest_bytes(body), body)
        store.read(digest_bytes(body), 0, 10)
        with pytest.raises(StoreError):
            store.read(digest_bytes(body), 0, 1 << 40)
        store.remove(digest_bytes(body))
    assert len(os.listdir("/proc/self/fd")) <= descriptors
    assert len(os.listdir("/proc/self/task")) <= threads
