"""What the owner of a host decides, and what one program is told.

Doesn't know how it was written down; a command and a file both make one.
"""

from __future__ import annotations

import msgspec

from atoll.wire import Address, RunSpec


class HostSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything a host needs to begin."""

    coordinator: Address
    name: str
    home: str
    pins: dict[str, str] = {}  # federation -> the id of its root key; with these, only signed runs are done
    slots: int = 8  # server apps at once
    objects: str = ""  # the coordinator's own objects, when they lie on this machine
    environments: str = "here"  # or "uv": an environment for each app's lock
    wheelhouse: str | None = None
    index: str | None = None


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """To a program's process, the first line of its standard input; `STOP` may follow, and the end of it is the host's end."""

    coordinator: Address
    spec: RunSpec
    folder: str  # the app
    work: str  # a folder for whatever this attempt writes
    objects: str = ""
    seed: str = ""  # of the key that drives the run, where the coordinator knows who comes by their keys


STOP = b"stop\n"
FAILED, STOPPED, FENCED, CUT_OFF = (
    1,
    4,
    5,
    75,
)  # exit statuses beside 0; the journal does not tell of the last two
