"""A coordinator's home: who holds it, the token that lets others in, and where it can be reached.

Doesn't know what else lies there.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from pathlib import Path

from atoll.identity import Key
from atoll.journal import FileLock
from atoll.values import AtollError, ConfigError, JournalError, write_privately
from atoll.wire import Address

KEY = "key.pem"
_ADDRESS, _TOKEN, _LOCK = "address", "token", "lock"
_SHORTEST = 32  # characters of a token


def alone(home: Path) -> contextlib.ExitStack:
    """While this is open, the home is this coordinator's. Raises `AtollError`, `ConfigError`."""
    stack = contextlib.ExitStack()
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        stack.callback(FileLock(home / _LOCK, what=str(home)).release)
    except JournalError:
        mend = "use that one, stop it, or give this one a home of its own (--home)"
        raise AtollError("coordinator.home-busy", f"another coordinator runs in {home}", mend) from None
    except OSError as error:
        message = f"{home} can't be a coordinator's home: {error.strerror or error}"
        raise ConfigError("coordinator.bad-home", message, "give another: --home FOLDER") from error
    return stack


def token(home: Path) -> str:
    """What lets others in: 256 random bits, made once."""
    path = home / _TOKEN
    with contextlib.suppress(FileNotFoundError):
        if len(known := path.read_text(encoding="ascii", errors="replace").strip()) >= _SHORTEST:
            return known
    made = secrets.token_urlsafe(32)
    write(path, made.encode())
    return made


def own_key(home: Path) -> Key:
    """The key of whoever lives in a home, made once. Raises `IdentityError`."""
    path = home / KEY
    if not path.exists():
        Key.make().save(path)
    return Key.load(path)


def announce(home: Path, address: Address) -> None:
    """Tell those who can read the home where the coordinator listens."""
    told = {
        "url": address.url,
        "token_file": str(home / _TOKEN) if address.token else "",
        "ca": address.ca,
        "pid": os.getpid(),
    }
    write(home / _ADDRESS, json.dumps(told).encode())


def withdraw(home: Path) -> None:
    """It does not listen any more."""
    (home / _ADDRESS).unlink(missing_ok=True)


def write(path: Path, body: bytes) -> None:
    """Write a file for its owner's eyes alone, durably: all of it or nothing. Raises `JournalError` (`coordinator.unusable`)."""
    try:
        write_privately(path, body)
    except OSError as error:
        mend = "choose a folder that you can write to, on a disk with space"
        raise JournalError("coordinator.unusable", f"{path} can't be used: {error}", mend) from error
