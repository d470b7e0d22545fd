"""The folder of a node: who it is, what it keeps, and the lock that lets one daemon in.

Doesn't know what is put into the folders.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
from pathlib import Path

from atoll.journal import FileLock
from atoll.values import AtollError, ConfigError, JournalError, write_privately


class Home:
    """A node's own folder, locked while this lives."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.objects, self.outbox, self.states = folder / "objects", folder / "outbox", folder / "state"
        self.spool, self.workshop = folder / "spool", folder / "workshop"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = FileLock(folder / "lock", what=str(folder))
            shutil.rmtree(self.spool, ignore_errors=True)  # of workers that are gone
            for each in (self.objects, self.outbox, self.states, self.spool, self.workshop):
                each.mkdir(exist_ok=True, mode=0o700)
        except JournalError:
            raise AtollError(
                "node.home-busy",
                f"another node runs in {folder}",
                "give this one a home of its own (--home), or stop the other",
            ) from None
        except OSError as error:
            raise _unfit(folder, error) from error

    def identity(self) -> str:
        """Who this node is: made once, the same ever after. Raises `ConfigError` (`node.bad-home`)."""
        try:
            return self._secret("identity")
        except OSError as error:
            raise _unfit(self.folder, error) from error

    def salt(self) -> str:
        """What its fingerprints of data are salted with: made once, told to nobody. Raises `ConfigError` (`node.bad-home`)."""
        try:
            return self._secret("salt")
        except OSError as error:
            raise _unfit(self.folder, error) from error

    def close(self) -> None:
        """Let the next daemon in."""
        self._lock.release()

    def _secret(self, name: str) -> str:
        path = self.folder / name
        with contextlib.suppress(FileNotFoundError):
            if len(known := path.read_text(encoding="ascii").strip()) >= 16:
                return known
        new = secrets.token_hex(32)
        write_privately(path, new.encode())
        return new


def _unfit(folder: Path, error: OSError) -> ConfigError:
    mend = "make space, or give another: --home FOLDER"
    return ConfigError("node.bad-home", f"{folder} can't be a node's home: {error}", mend)
