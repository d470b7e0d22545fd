"""What a daemon and its workers say to each other, over pipes.

Doesn't know what is done about it. Payloads are manifests: their arrays lie in files, which both sides can open.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from atoll.wire import DataSet, Manifest, Offer, RunSpec

VERSION = 1


class _Message(msgspec.Struct, frozen=True, array_like=True, tag=True):
    pass


class Begin(_Message, frozen=True):
    """To a worker, first: what app it works for, and with what. `check`: open every data set, then wait to be ended.

    `variables` are for its environment, from before the app is loaded."""

    version: int
    folder: str
    spec: RunSpec
    node: str
    data: dict[str, str]
    site: dict[str, Any]
    objects: str
    spool: str
    check: bool = False
    variables: dict[str, str] = {}
    tell: str = "names"  # of the data that is opened: names, rows or fingerprints
    salt: str = ""  # ... hexadecimal, the node's own


class Give(_Message, frozen=True):
    """To a worker: a call, and the file with the node's state that it begins from."""

    offer: Offer
    state: str = ""


class Bye(_Message, frozen=True):
    """To a worker: finish, clean up, end."""


class Ready(_Message, frozen=True):
    """The app is loaded."""

    versions: dict[str, str] = {}
    data: list[str] = []


class Unfit(_Message, frozen=True):
    """The app can't be loaded, or the data not be opened."""

    message: str
    traceback: str = ""
    code: str = "worker.unfit"
    mend: str = ""


class Did(_Message, frozen=True):
    """A call's valid update: its objects are in `files`, by digest; `state` is a file, None when the call left it as it was."""

    key: str
    weight: float
    metrics: dict[str, Any]
    seconds: float
    payload: Manifest
    files: dict[str, str]
    state: str | None = None
    data: list[DataSet] = []  # opened since the last call
    versions: dict[str, str] = {}  # with the first


class Failed(_Message, frozen=True):
    """A call came to nothing."""

    key: str
    kind: str
    message: str
    traceback: str = ""


class Said(_Message, frozen=True):
    """A line for the log. Round None: nobody knows which it belongs to."""

    level: str
    message: str
    round: int | None = None


ToWorker: TypeAlias = Begin | Give | Bye
Told: TypeAlias = Ready | Unfit | Did | Failed | Said

to_worker = msgspec.msgpack.Decoder(ToWorker)
told = msgspec.msgpack.Decoder(Told)
