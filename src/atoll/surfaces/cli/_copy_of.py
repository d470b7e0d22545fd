"""`atoll new --from`: a copy of an app, under another name. Everything is on this machine, but for a federation's run.

Doesn't trust a bundle: its reader checks every path and size in it, and the copy appears with all of its files or not at all.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

from atoll.surfaces._apps import body_of
from atoll.surfaces._rename import Names, names_of, renamed
from atoll.surfaces.cli._runs import created_of, located
from atoll.values import AtollError, ConfigError, NotFound
from atoll.wire import Bundle, pack_bundle, read_bundle

_LARGEST = 128 << 20  # bytes of a file that may be a bundle


class Copied(NamedTuple):
    """What was made, and of what."""

    package: str
    files: list[str]
    source: str
    digest: str  # of the bundle
    words: str


def copy_of(source: str, folder: Path, new: Names) -> Copied:
    """Copy an app into a new or empty folder. Raises `ConfigError`, `NotFound`, and what reading a bundle raises."""
    bundle, words = _bundle(source)
    files = {entry.path: bytes(content) for entry, content in bundle.contents()}
    old = names_of(files)
    made = renamed(files, old, new)
    _write(folder, made)
    return Copied(new.package if old.package else "", sorted(made), source, bundle.digest, words)


def _bundle(source: str) -> tuple[Bundle, str]:
    path = Path(source).expanduser()
    if path.is_dir():
        return pack_bundle(path), f"the app in {path}"
    if path.is_file():
        return _of_file(path), f"the bundle {path}"
    if os.sep in source or source.startswith("."):
        raise NotFound("new.no-source", f"there is no {path}", "name an app's folder, its bundle, or a run")
    found = located(source, None)
    try:
        created = created_of(found.runs, found.runs.find(found.run).id)
        return read_bundle(body_of(found.runs, created)), f"the app of {created.name}, as it was then"
    except NotFound as error:
        if error.code != "run.unknown":
            raise
        message = f"`{source}` is neither a folder or file here nor a run"
        raise NotFound("new.no-source", message, f"{error.mend}; `atoll ls` lists the runs") from error
    finally:
        found.runs.close()


def _of_file(path: Path) -> Bundle:
    try:
        if path.stat().st_size > _LARGEST:
            raise ConfigError("new.no-app", f"{path} is too large to be an app's bundle", "name another file")
        return read_bundle(path.read_bytes())
    except OSError as error:
        raise ConfigError(
            "new.no-app", f"{path} can't be read: {error.strerror}", "name another file"
        ) from error
    except AtollError as error:
        if error.code != "bundle.malformed":
            raise
        mend = "name a bundle, an app's folder, or a run"
        raise ConfigError("new.no-app", f"{path} is no bundle: {error.message}", mend) from error


def _write(folder: Path, files: dict[str, bytes]) -> None:
    """All of them, or none: they are written beside, and then moved."""
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        for name, content in files.items():
            path = beside / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "xb") as file:
                file.write(content)
        beside.chmod(0o755)
        if not folder.exists():
            beside.rename(folder)
            return
        for path in beside.iterdir():  # somebody may stand in it
            path.rename(folder / path.name)
        beside.rmdir()
    except BaseException:  # it is raised on; half a copy is left to nobody
        shutil.rmtree(beside, ignore_errors=True)
        raise
