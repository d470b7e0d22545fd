"""How a process and its child talk, over pipes: a length, then MessagePack. What user code prints is no part of it.

Doesn't know what is said.
"""

from __future__ import annotations

import io
import os
import struct
import sys
import threading
from collections.abc import Callable
from typing import BinaryIO

import msgspec

_LENGTH = struct.Struct("<I")
_encoder = msgspec.msgpack.Encoder()


def send(pipe: BinaryIO, *messages: msgspec.Struct) -> None:
    """Write messages in one go. Raises `OSError` when nobody reads."""
    out = bytearray()
    for message in messages:
        body = _encoder.encode(message)
        out += _LENGTH.pack(len(body))
        out += body
    pipe.write(out)
    pipe.flush()


def receive(pipe: BinaryIO) -> bytes | None:
    """The next message, encoded; None at the end."""
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    body = pipe.read(length)
    return body if len(body) == length else None


def taken_over() -> tuple[BinaryIO, BinaryIO]:
    """Standard input and output, for messages alone: whatever else writes to them from now on writes to standard error."""
    inbox, outbox = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    return inbox, outbox


class Mouth:
    """The pipe to the process that started this one, for any thread."""

    def __init__(self, pipe: BinaryIO) -> None:
        self._pipe, self._lock = pipe, threading.Lock()

    def say(self, message: msgspec.Struct) -> None:
        """Send one message."""
        with self._lock:
            send(self._pipe, message)


class Printed(io.TextIOBase):
    """Standard output of user code, line by line."""

    encoding = "utf-8"

    def __init__(self, line: Callable[[str], None]) -> None:
        self._line, self._begun = line, ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self._line(line)
        return len(text)


def end_line() -> None:
    """Say what was printed without an end of line; user code may have put another standard output in its place."""
    if isinstance(sys.stdout, Printed) and sys.stdout._begun:
        sys.stdout.write("\n")
