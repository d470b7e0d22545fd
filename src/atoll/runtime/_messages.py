"""What a pool and its workers say to each other, over pipes.

Doesn't know what is done about it.
"""

from __future__ import annotations

from typing import Any, BinaryIO, TypeAlias

import msgspec

from atoll.journal import Held
from atoll.runtime._arena import Parcel
from atoll.runtime._pipe import receive
from atoll.values import Scalar

VERSION = 1


class _Message(msgspec.Struct, frozen=True, array_like=True, tag=True):
    pass


class Hello(_Message, frozen=True):
    """To a worker, first: what app it works for."""

    version: int
    arena: str
    folder: str
    client: str
    data: str | None
    partition: dict[str, Any] | None
    nodes: list[str]
    seed: int
    config: dict[str, Any]
    threads: int


class Give(_Message, frozen=True):
    """To a worker: a task that calls will refer to by its key; older ones to forget."""

    key: int
    action: str
    config: dict[str, Any]
    alike: bool
    payload: Parcel
    forget: list[int]


class Do(_Message, frozen=True):
    """To a worker: one call."""

    id: int
    key: int
    node: str
    round: int
    ordinal: int
    seed: int
    state: Parcel
    over: str = ""  # a file that the reply may be written over


class Bye(_Message, frozen=True):
    """To a worker: finish, clean up, end."""


class Ready(_Message, frozen=True):
    """From a worker: the app is loaded."""


class Unfit(_Message, frozen=True):
    """From a worker: the app can't be loaded."""

    message: str
    traceback: str


class Result(_Message, frozen=True):
    """From a worker: a call's valid update."""

    id: int
    weight: float
    metrics: dict[str, Scalar]
    seconds: float
    payload: Parcel
    state: Parcel | None


class Has(_Message, frozen=True):
    """From a worker: what data a node has, as it found when it opened it."""

    node: str
    data: list[Held]


class Trouble(_Message, frozen=True):
    """From a worker: a call came to nothing."""

    id: int
    kind: str
    message: str
    traceback: str


class Line(_Message, frozen=True):
    """From a worker: a line for the log."""

    level: str
    message: str
    round: int
    node: str


ToWorker: TypeAlias = Hello | Give | Do | Bye
FromWorker: TypeAlias = Ready | Unfit | Result | Trouble | Line | Has

_to_worker = msgspec.msgpack.Decoder(ToWorker)
_from_worker = msgspec.msgpack.Decoder(FromWorker)


def receive_task(pipe: BinaryIO) -> ToWorker | None:
    """The next message to a worker; None at the end."""
    body = receive(pipe)
    return None if body is None else _to_worker.decode(body)


def answer(body: bytes) -> FromWorker:
    """A message from a worker."""
    found: FromWorker = _from_worker.decode(body)
    return found
