"""A coordinator's backup holds all that its databases name, and nothing of the moment."""

from __future__ import annotations

import hashlib
import os
import tarfile
import time
from pathlib import Path

import pytest

from atoll.journal import Created, Logged, SqliteJournal
from atoll.service.coordinator._backup import backup, restore
from atoll.values import AtollError, ConfigError, NotFound


def stored(home: Path, content: bytes) -> str:
    name = hashlib.sha256(content).hexdigest()
    (home / "objects" / name[:2]).mkdir(parents=True, exist_ok=True)
    (home / "objects" / name[:2] / name).write_bytes(content)
    return name


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """With a run, an object, a token, and things of the moment."""
    home = tmp_path / "home"
    journal = SqliteJournal(home)
    created = Created(time=time.time(), id="r1", name="kept", app={}, config={}, seed=0, nodes=["a"])
    journal.create(created)
    name = stored(home, b"a model")

    def build(shelf):
        shelf.keep("model-1", f"sha256:{name}".encode())
        return Logged(time=1, message="hello")

    journal.append("r1", build)
    journal.close()
    (home / "token").write_text("t0ken")
    (home / "token").chmod(0o600)
    (home / "address").write_text("{}")
    (home / "lock").touch()
    (home / "objects" / "parts").mkdir()
    (home / "objects" / "parts" / "half").write_text("of one")
    return home


def test_what_is_restored_is_what_was_there(home: Path, tmp_path: Path) -> None:
    backup(home, tmp_path / "b.tar")
    assert (tmp_path / "b.tar").stat().st_mode & 0o777 == 0o600
    again = tmp_path / "again"
    assert restore(tmp_path / "b.tar", again) == 1
    journal = SqliteJournal(again)
    assert [type(e).__name__ for _, e in journal.events("r1")] == ["Created", "Logged"]
    journal.close()
    assert (again / "token").read_text() == "t0ken"
    assert (again / "token").stat().st_mode & 0o777 == 0o600
    assert [p.read_bytes() for p in (again / "objects").rglob("*") if p.is_file()] == [b"a model"]
    assert not {"address", "lock"} & set(os.listdir(again))
    assert not [p for p in os.listdir(home) if p.startswith(".")]


def test_a_home_is_never_written_over(home: Path, tmp_path: Path) -> None:
    backup(home, tmp_path / "b.tar")
    with pytest.raises(ConfigError, match="already"):
        restore(tmp_path / "b.tar", home)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").touch()
    with pytest.raises(ConfigError, match="not empty"):
        restore(tmp_path / "b.tar", tmp_path / "other")


def test_what_is_no_backup_makes_no_home(tmp_path: Path) -> None:
    (tmp_path / "b.tar").write_text("no")
    with pytest.raises(AtollError, match="is no backup"):
        restore(tmp_path / "b.tar", tmp_path / "again")
    with pytest.raises(NotFound):
        restore(tmp_path / "none.tar", tmp_path / "again")
    with tarfile.open(tmp_path / "link.tar", "w") as tar:
        member = tarfile.TarInfo("journal.db")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(member)
    with pytest.raises(AtollError, match="is no file"):
        restore(tmp_path / "link.tar", tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_there_must_be_something_to_back_up(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no coordinator's home"):
        backup(tmp_path, tmp_path / "b.tar")
