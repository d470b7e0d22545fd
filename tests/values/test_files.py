"""Files that are whole or not there, for their owner's eyes only."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from atoll.values import _files, write_privately


def test_a_file_is_replaced_and_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"old")
    path.chmod(0o644)
    write_privately(path, b"new")
    assert path.read_bytes() == b"new"
    assert os.name != "posix" or path.stat().st_mode & 0o777 == 0o600


def test_what_could_not_be_written_leaves_the_old_one_and_nothing_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "key"
    write_privately(path, b"old")

    def full(descriptor: int, part: bytes) -> None:
        raise OSError(28, "no space left on device")

    monkeypatch.setattr(_files, "write_all", full)
    with pytest.raises(OSError, match="no space"):
        write_privately(path, b"new")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("key", b"old")]
