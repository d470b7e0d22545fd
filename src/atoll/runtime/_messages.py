"""What a pool and its workers say to each other, over pipes: a length, then MessagePack.

Doesn't know what is done about it.
"""

from __future__ import annotations

import struct
from typing import Any, BinaryIO, TypeAlias

import msgspec

from atoll.runtime._arena import Parcel
from atoll.values import Scalar

VERSION = 1
_LENGTH = struct.Struct("<I")


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
FromWorker: TypeAlias = Ready | Unfit | Result | Trouble | Line

_encoder = msgspec.msgpack.Encoder()
_to_worker = msgspec.msgpack.Decoder(ToWorker)
_from_worker = msgspec.msgpack.Decoder(FromWorker)


def send(pipe: BinaryIO, *messages: ToWorker | FromWorker) -> None:
    """Write messages in one go. Raises `OSError` when nobody reads."""
    out = bytearray()
    for message in messages:
        body = _encoder.encode(message)
        out += _LENGTH.pack(len(body))
        out += body
    pipe.write(out)
    pipe.flush()


def receive_task(pipe: BinaryIO) -> ToWorker | None:
    """The next message to a worker; None at the end."""
    body = _receive(pipe)
    return None if body is None else _to_worker.decode(body)


def receive_answer(pipe: BinaryIO) -> FromWorker | None:
    """The next message from a worker; None at the end."""
    body = _receive(pipe)
    return None if body is None else _from_worker.decode(body)


def _receive(pipe: BinaryIO) -> bytes | None:
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    body = pipe.read(length)
    return body if len(body) == length else None
