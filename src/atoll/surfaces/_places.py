"""Where federations are, by name: the contexts that a user keeps, and the federation of this machine.

Doesn't talk to them. `simulation` means none; `local` is what `atoll up` started here, wherever it listens now.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from atoll.surfaces.cli._home import contexts_file, home
from atoll.values import UNREADABLE, ConfigError, NotFound, suggestion, write_privately

if TYPE_CHECKING:
    from atoll.wire import Address

SIMULATION, LOCAL = "simulation", "local"
DEFAULT = "default"  # the federation of a coordinator that nobody named


class Place(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A federation: its coordinator's URL, how to be let in, and which federation there.

    `key` is the PEM file of this user's key there, `audience` the id of the coordinator's key, `root` that of the
    federation's; all are empty for a coordinator that is let in to by a token.
    """

    url: str
    token: str = ""
    token_file: str = ""
    ca: str = ""
    federation: str = DEFAULT
    key: str = ""
    audience: str = ""
    root: str = ""
    renew: float = 0.0  # when the next command renews the key's credential, in seconds since 1970; 0: never

    def address(self) -> Address:
        """What a client dials. Raises `ConfigError` when the token's file can't be read."""
        from atoll.wire import Address

        token = "" if self.key else self.token or _read(self.token_file)
        return Address(url=self.url, token=token, ca=self.ca, key=self.key, audience=self.audience)


class Places(msgspec.Struct, kw_only=True):
    """All of them, and the one in use."""

    contexts: dict[str, Place] = {}
    use: str = SIMULATION

    @classmethod
    def load(cls) -> Places:
        """Read them. Raises `ConfigError`."""
        path = Path(contexts_file())
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except (FileNotFoundError, NotADirectoryError):
            return cls()
        except (OSError, *UNREADABLE) as error:
            raise ConfigError(
                "context.unreadable", f"{path} can't be read: {error}", "mend or delete it"
            ) from error

    def save(self) -> None:
        """Write them, for this user's eyes only."""
        path = Path(contexts_file())
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_privately(path, msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n")

    def get(self, name: str) -> Place | None:
        """The place of that name, `CONTEXT` or `CONTEXT/FEDERATION`; None is the simulation. Raises `NotFound`."""
        name, _, federation = name.partition("/")
        if name == SIMULATION:
            return None
        place = _local() if name == LOCAL else self.contexts.get(name)
        if place is None and name == LOCAL:
            raise NotFound(
                "context.not-up", "there is no federation on this machine", "start one with `atoll up`"
            )
        if place is None:
            known = [*self.contexts, LOCAL, SIMULATION]
            mend = f"{suggestion(name, known, what='contexts')}; `atoll context add` makes one"
            raise NotFound("context.unknown", f"there is no context `{name}`", mend)
        if not federation or federation == place.federation:
            return place
        return msgspec.structs.replace(place, federation=federation, root=self._root(place, federation))

    def _root(self, place: Place, federation: str) -> str:
        """The root of another federation of the same coordinator, when another context has pinned it."""
        found = (
            p for p in self.contexts.values() if (p.audience, p.federation) == (place.audience, federation)
        )
        return next((p.root for p in found if p.audience), "")


def chosen(asked: str | None) -> Place | None:
    """Where a command goes: `--on`, or ATOLL_CONTEXT, or what is in use; None is the simulation. Raises `NotFound`, `ConfigError`."""
    places = Places.load()
    return places.get(asked or os.environ.get("ATOLL_CONTEXT") or places.use)


def needed(asked: str | None) -> Place:
    """As `chosen`, for what makes no sense in a simulation: the only federation that is known will do."""
    place = chosen(asked)
    if place is not None:
        return place
    places = Places.load()
    known = [*places.contexts, *([LOCAL] if _local() else [])]
    if asked is None and len(known) == 1:
        only = places.get(known[0])
        assert only is not None
        return only
    mend = (
        f"say which: --on {' or --on '.join(known)}"
        if known
        else "start one with `atoll up`, or `atoll context add NAME URL`"
    )
    raise ConfigError("context.none", "this needs a federation, and none is in use", mend)


def on_this_machine(url: str = "") -> Place | None:
    """A coordinator of this user's on this machine, at that URL or any: its token lies in its home."""
    found = [p for p in map(of_home, (coordinator_home(), local_home() / "coordinator")) if p is not None]
    return next((p for p in found if url in ("", p.url)), None)


def coordinator_home() -> Path:
    """Where `atoll coordinator start` keeps what it needs."""
    return Path(home()) / "coordinator"


def local_home() -> Path:
    """Where `atoll up` keeps what it needs."""
    return Path(home()) / "local"


class _Announced(msgspec.Struct):
    """What a coordinator writes when it listens."""

    url: str
    pid: int = 0
    ca: str = ""


def of_home(folder: Path) -> Place | None:
    """The coordinator that keeps its things in a folder, when it has ever listened."""
    with contextlib.suppress(OSError, msgspec.MsgspecError):
        announced = msgspec.json.decode((folder / "address").read_bytes(), type=_Announced)
        return Place(url=announced.url, token_file=str(folder / "token"), ca=announced.ca)
    return None


def beside(place: Place) -> Path | None:
    """The objects of a coordinator on this machine: they need not be fetched."""
    objects = Path(place.token_file).parent / "objects"
    return objects if on_this_machine(place.url) is not None and objects.is_dir() else None


def _local() -> Place | None:
    return of_home(local_home() / "coordinator")


def _read(path: str) -> str:
    if not path:
        return ""
    try:
        return Path(path).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            "context.no-token", f"the token in {path} can't be read: {reason}", "--token-file FILE"
        ) from error
