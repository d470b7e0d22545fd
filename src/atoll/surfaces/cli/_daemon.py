"""What the commands that start daemons have in common: words to settings, and whom to dial.

Doesn't know what a daemon does.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import tomllib
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from atoll.surfaces._credentials import Credentials, credentials_in
from atoll.surfaces._places import Place, chosen, on_this_machine
from atoll.surfaces.cli._context import checked_url
from atoll.values import ConfigError, nbytes

if TYPE_CHECKING:
    from atoll.wire import Address


def coordinator_of(values: Namespace) -> Address:
    """Whom a daemon dials: what it was told, else the context in use, else the coordinator of this machine. Raises `ConfigError`."""
    place = _dialled(values)
    change: dict[str, Any] = {}
    if values.token_file:
        change["token_file"], change["token"] = values.token_file, ""
    elif os.environ.get("ATOLL_TOKEN"):
        change["token"] = os.environ["ATOLL_TOKEN"]
    if values.ca:
        change["ca"] = str(Path(values.ca).expanduser().resolve())
    return msgspec.structs.replace(place, **change).address()


def joined_in(home: str | None) -> Credentials | None:
    """What a daemon's home says of the coordinator that it has joined. Raises `ConfigError`."""
    return credentials_in(Path(home).expanduser().resolve()) if home else None


def _dialled(values: Namespace) -> Place:
    if values.coordinator:
        url = checked_url(values.coordinator)
        return on_this_machine(url) or Place(url=url)
    place = chosen(None) or on_this_machine()
    if place is None:
        mend = "--coordinator URL, or start one here: `atoll coordinator start`"
        raise ConfigError("context.none", "nobody said where the coordinator is", mend)
    return place


def own_name() -> str:
    """This machine's name, fit for a node or a host."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", socket.gethostname()).strip("-.") or "here"


def pairs(option: str, texts: list[str]) -> dict[str, str]:
    """`KEY=VALUE` texts. Raises `ConfigError`."""
    for text in texts:
        if "=" not in text or text.startswith("="):
            raise ConfigError(
                "cli.usage", f"{option} {text}: that is no KEY=VALUE", f"{option} {text.strip('=')}=VALUE"
            )
    return {key.strip(): value for key, _, value in (text.partition("=") for text in texts)}


def typed(texts: dict[str, str]) -> dict[str, object]:
    """Values as TOML reads them (numbers, true, lists), and texts for the rest: as nobody says of which type they are."""
    return {key: _typed(text) for key, text in texts.items()}


def _typed(text: str) -> object:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def size(option: str, text: str) -> float:
    """A size in bytes: "16GB", "512MiB". Raises `ConfigError`."""
    found = nbytes(text)
    if found is None:
        raise ConfigError("cli.usage", f"{option} {text}: that is no size", f"{option} 16GB")
    return float(found)


def leave_signals_to_the_daemon() -> None:
    """As Python has them, until the daemon sets its own."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
