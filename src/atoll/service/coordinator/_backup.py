"""Backing a coordinator up, while it runs or not, and making a home from a backup.

Doesn't know what is in the databases, but that bodies name objects. A backup is a plain tar file of the home: databases as they were at one
moment, and every object that they name.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from atoll.values import AtollError, ConfigError, NotFound, sync_folder

_DATABASES = (
    "journal.db",
    "coordinator.db",
)  # in this order: a run is in the second before it is in the first
_OBJECTS = "objects"
_LEFT_OUT = {"address", "parts", "damaged"}
_ENDINGS = ("lock", "-wal", "-shm", ".db", ".part")
_ATTEMPTS = 5  # at a moment in which nothing that is named is being removed
_DIGEST = re.compile(rb"sha256:([0-9a-f]{64})")


def backup(home: Path, path: Path) -> None:
    """Write everything that a coordinator keeps into one file, which appears whole or not at all.

    Raises `NotFound` (`backup.no-home`), `ConfigError` (`backup.unwritable`).
    """
    if not (home / _DATABASES[0]).is_file():
        raise NotFound("backup.no-home", f"{home} is no coordinator's home", "name it: --home FOLDER")
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with tempfile.TemporaryDirectory(prefix=".backup-", dir=home) as folder:
            still = Path(folder)
            _freeze(home, still)
            descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w+b") as file:
                with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
                    for source in (still, home):
                        for name in _files(source, everything=source is still):
                            tar.add(source / name, arcname=name.as_posix(), filter=_plain)
                file.flush()
                os.fsync(file.fileno())
        beside.replace(path)
        sync_folder(path.resolve().parent)
    except OSError as error:
        raise ConfigError(
            "backup.unwritable", f"{path} can't be written: {error.strerror or error}", "-o another file"
        ) from error
    finally:
        beside.unlink(missing_ok=True)


def restore(path: Path, home: Path) -> int:
    """Make a home from a backup; returns how many runs it has. Raises `ConfigError`, `NotFound`, `AtollError`."""
    if (home / _DATABASES[0]).exists():
        raise ConfigError(
            "restore.exists", f"{home} is a coordinator's home already", "name another: --home FOLDER"
        )
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".restore-", dir=home.parent) as folder:
        new = Path(folder) / "home"
        try:
            with tarfile.open(path, mode="r:") as tar:
                tar.extractall(new, members=_members(tar), filter="data")
            with _opened(new / _DATABASES[0]) as database:
                (runs,) = database.execute("SELECT count(*) FROM runs").fetchone()
        except FileNotFoundError:
            raise NotFound("restore.no-file", f"there is no {path}", "name a backup's file") from None
        except (tarfile.TarError, OSError, sqlite3.Error) as error:
            raise AtollError(
                "restore.malformed", f"{path} is no backup of a coordinator: {error}", "name another"
            ) from error
        new.chmod(0o700)
        _settle(new, home)
    return int(runs)


def _freeze(home: Path, still: Path) -> None:
    """Databases and objects as they are at one moment; objects are linked, not copied."""
    for _ in range(_ATTEMPTS):
        _link(home / _OBJECTS, still / _OBJECTS)
        for name in _DATABASES:
            if (home / name).is_file():
                _copy(home / name, still / name)
        _link(home / _OBJECTS, still / _OBJECTS)
        if _named(still / _DATABASES[0]) <= {p.name for p in (still / _OBJECTS).rglob("*")}:
            return


def _copy(source: Path, target: Path) -> None:
    with _opened(source) as reading, _opened(target) as writing:
        reading.backup(writing)
        writing.execute("PRAGMA journal_mode = DELETE")
    target.chmod(0o600)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    database = sqlite3.connect(path, timeout=60, isolation_level=None)
    try:
        yield database
    finally:
        database.close()


def _named(journal: Path) -> set[str]:
    """The objects that the bodies of all runs name."""
    with _opened(journal) as database:
        bodies = database.execute("SELECT body FROM objects")
        return {name.decode() for (body,) in bodies for name in _DIGEST.findall(bytes(body))}


def _link(source: Path, target: Path) -> None:
    for file in source.glob("??/*"):
        link = target / file.parent.name / file.name
        link.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError, FileNotFoundError):  # linked before; or removed meanwhile
            os.link(file, link)


def _files(folder: Path, *, everything: bool) -> list[Path]:
    """What goes into the file: all that was frozen; of the home itself the token, keys and settings."""
    found = sorted(p.relative_to(folder) for p in folder.rglob("*") if p.is_file() and not p.is_symlink())
    if everything:
        return found
    own = [
        p
        for p in found
        if p.parts[0] not in (*_LEFT_OUT, _OBJECTS, "host") and not p.parts[0].startswith(".")
    ]
    return [p for p in own if not p.name.endswith(_ENDINGS)]


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def _members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    for member in tar:
        if not member.isreg():
            raise tarfile.TarError(f"{member.name!r:.80} is no file")
        yield member


def _settle(new: Path, home: Path) -> None:
    """Everything on the disk, then in its place."""
    for path in new.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    if home.is_dir() and not any(home.iterdir()):
        home.rmdir()
    if home.exists():
        raise ConfigError(
            "restore.exists", f"{home} is there already, and not empty", "name another: --home FOLDER"
        )
    shutil.move(new, home)
    sync_folder(home.parent)
