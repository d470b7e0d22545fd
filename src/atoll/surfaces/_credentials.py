"""What a machine that has joined a coordinator keeps: where that is, whom to trust, and what it is called where.

Doesn't know how it came there. Beside it lies the key, `key.pem`, which never leaves the machine.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from atoll.values import UNREADABLE, ConfigError, write_privately

if TYPE_CHECKING:
    from atoll.identity import Both
    from atoll.wire import Address

FILE, KEY, AUTHORITY = "coordinator.json", "key.pem", "ca.pem"
ROTATIONS = "rotations.json"  # which key has taken the place of which, signed by both: for the audit log


class Pin(msgspec.Struct, frozen=True, kw_only=True):
    """A federation that it belongs to: the id of its root key, and what it is called there."""

    root: str
    name: str


class Credentials(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A node's or a host's. `ca` is a file beside this one; "" for the system's authorities."""

    kind: str
    url: str
    audience: str
    ca: str = ""
    pins: dict[str, Pin] = {}
    data: dict[str, str] = {}  # a node's sources, when they were named as it joined

    @property
    def name(self) -> str:
        """What it is called, where it came first."""
        return next((pin.name for pin in self.pins.values()), "")

    def address(self, home: Path) -> Address:
        """Whom it dials, and as whom."""
        from atoll.wire import Address

        ca = str(home / self.ca) if self.ca else ""
        return Address(url=self.url, ca=ca, key=str(home / KEY), audience=self.audience)

    def save(self, home: Path) -> None:
        """Write them, durably, for their owner's eyes."""
        body = msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_privately(home / FILE, body)


def credentials_in(home: Path) -> Credentials | None:
    """What a machine's home holds; None when it has joined nothing. Raises `ConfigError` (`identity.unreadable`)."""
    path = home / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Credentials)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, *UNREADABLE) as error:
        mend = "mend it, or join again: atoll node join LINK --home FOLDER"
        raise ConfigError("identity.unreadable", f"{path} can't be read: {error}", mend) from error


def remember_rotation(home: Path, said: Both) -> None:
    """Keep what a new key and an old one have signed, before anybody is told."""
    from atoll.identity import Both

    path = home / ROTATIONS
    kept = msgspec.json.decode(path.read_bytes(), type=list[Both]) if path.exists() else []
    kept = [one for one in kept if one.second.by != said.second.by]
    write_privately(path, msgspec.json.encode([*kept, said]))
