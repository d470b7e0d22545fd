"""What a worker writes waits for room on the disk, and leaves nothing half done."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from atoll.service.workshop import _files
from atoll.service.workshop._files import Spool, opener
from atoll.store import DirectoryStore, digest_bytes
from atoll.values import NotFound, map_file, unpack


def test_a_full_disk_is_waited_for_and_said_once(tmp_path, monkeypatch):
    monkeypatch.setattr(_files, "_LOOK", 0.0)
    real, fails, said = _files.write_all, [1, 1, 1], []

    def write(descriptor, body):
        if fails:
            fails.pop()
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor, body)

    monkeypatch.setattr(_files, "write_all", write)
    blobs = {"a": memoryview(b"one"), "b": memoryview(b"two")}
    files, state = Spool(tmp_path, lambda level, text: said.append(level)).keep(blobs, {"seen": 1})
    assert {d: Path(p).read_bytes() for d, p in files.items()} == blobs
    assert unpack(map_file(tmp_path / state)[0]) == {"seen": 1}
    assert said == ["warning"]
    assert len(list(tmp_path.iterdir())) == 3


def test_any_other_trouble_with_the_disk_is_raised(tmp_path):
    with pytest.raises(FileNotFoundError):
        Spool(tmp_path / "gone", print).keep({"a": memoryview(b"one")}, None)


def test_objects_of_the_nodes_store_are_mapped(tmp_path):
    store, body = DirectoryStore(tmp_path, reserve=0), b"x" * 70_000
    store.put_all({digest_bytes(body): body, digest_bytes(b""): b""})
    opened = opener(tmp_path)
    assert (opened(digest_bytes(body)), opened(digest_bytes(b""))) == (body, b"")
    assert opened(digest_bytes(body)).readonly
    with pytest.raises(NotFound):
        opened(digest_bytes(b"?"))
