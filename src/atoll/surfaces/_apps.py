"""A run's app as it was when the run began: its bundle, kept with the run, and the folder that it is unpacked to.

Doesn't know what it is wanted for. A simulated run's bundle lies in the run's own folder (equal ones are one file on the
disk, and go with the last run); a federation's lies at its coordinator.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atoll.app import Project
from atoll.journal import Created, SqliteJournal
from atoll.store import digest_bytes, hex_of
from atoll.surfaces.cli._home import home
from atoll.values import AtollError, ConfigError, NotFound, write_privately

if TYPE_CHECKING:
    from atoll.surfaces._faraway import Faraway
    from atoll.wire import Bundle

BUNDLE = "bundle"  # in `created.app`: the digest of a simulated run's bundle
WHY = "unpacked"  # ... or why there is none
AGAIN = "repeats"  # ... the run that it repeats, by its id


def packed(project: Project) -> tuple[Bundle | None, dict[str, str]]:
    """A project's bundle, and what a run remembers of it: one that can't be packed can be simulated all the same."""
    from atoll.wire import pack_bundle

    try:
        bundle = pack_bundle(project.folder)
    except AtollError as error:
        return None, {WHY: error.message}
    except OSError as error:
        return None, {WHY: f"{error.filename}: {error.strerror}"}
    return bundle, {BUNDLE: bundle.digest}


def keep(journal: SqliteJournal, run: str, bundle: Bundle) -> None:
    """Keep a bundle with a run. Raises `OSError`."""
    pool = journal.home / "bundles"
    pool.mkdir(exist_ok=True, mode=0o700)
    shared, own = pool / hex_of(bundle.digest), _kept(journal, run)
    if not shared.exists():
        write_privately(shared, bundle.body)
    try:
        os.link(shared, own)
    except OSError:  # a file system without links
        write_privately(own, bundle.body)
        return
    for other in pool.iterdir():  # what runs that were removed left behind
        with contextlib.suppress(FileNotFoundError):
            if other.stat().st_nlink == 1:
                other.unlink()


def digest_of_app(created: Created) -> str:
    """The digest of a run's bundle; empty when there is none."""
    return str(created.settings.get(BUNDLE) or created.app.get(BUNDLE, ""))


def fetch_of(runs: SqliteJournal | Faraway, created: Created) -> Callable[[], bytes]:
    """What gives the bytes of a run's bundle, wherever it lies. Raises `ConfigError` (`run.no-app`) when it has none."""
    digest, name = digest_of_app(created), created.name
    if not digest:
        raise ConfigError(
            "run.no-app", f"{name} has no app to begin again: {_reason(created)}", _mend(created)
        )
    if not isinstance(runs, SqliteJournal):
        client = runs.client
        return lambda: client.fetch(f"/v1/bundles/{digest}")
    path = _kept(runs, created.id)

    def read() -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            why = f"the app of {name} was kept in {path}, which can't be read: {error.strerror}"
            raise NotFound("run.app-gone", why, _mend(created)) from error

    return read


def body_of(runs: SqliteJournal | Faraway, created: Created) -> bytes:
    """The bytes of a run's bundle, checked. Raises what `fetch_of` does, `NotFound`, and `AtollError` (`bundle.damaged`)."""
    body, digest = fetch_of(runs, created)(), digest_of_app(created)
    if (found := digest_bytes(body)) != digest:
        raise AtollError("bundle.damaged", f"the bundle {digest} came as {found}", _mend(created))
    return body


def folder_of(runs: SqliteJournal | Faraway, created: Created) -> Path:
    """A folder with the files of a run's app, which nobody changes. Raises as `body_of`, and what `read_bundle` raises."""
    from atoll.service.workshop import Bundles

    fetch = fetch_of(runs, created)
    return Bundles(_unpacked()).folder(digest_of_app(created), fetch)


def is_unpacked(folder: Path) -> bool:
    """Whether a folder is one that `folder_of` made, and may be made again."""
    return _unpacked() in folder.parents


def repeating(again: Created | None) -> dict[str, str]:
    """What a run remembers of the one that it repeats."""
    return {AGAIN: again.id} if again is not None else {}


def _unpacked() -> Path:
    return Path(home()).resolve() / "apps"


def _kept(journal: SqliteJournal, run: str) -> Path:
    return journal.home / "runs" / run / "app.bundle"


def _reason(created: Created) -> str:
    app: dict[str, Any] = created.app
    if app.get(WHY):
        return f"it could not be packed when the run began: {app[WHY]}"
    if not app.get("project"):
        return "it was begun by a script, whose code is not kept"
    return "it was begun by an older atoll, which kept no code"


def _mend(created: Created) -> str:
    project = created.app.get("project")
    return f"run what is there now: atoll run {project}" if project else "run the script again"
