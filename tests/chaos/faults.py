"""A proxy that is a bad network: late, cut off, silent, damaging, repeating and overtaking, as a seed says.

Speaks plain HTTP/1.1, so that it knows where a request ends. Doesn't know what the requests mean.
"""

from __future__ import annotations

import contextlib
import random
import select
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

PIECE = 1 << 16
HELD = 1.0  # seconds that a request is held back at most when nothing overtakes it
ANSWERING = 60.0  # seconds that the answer to a duplicate is waited for
KINDS = ("latency", "reset", "truncate", "half-open", "duplicate", "reorder")


@dataclass(frozen=True)
class Fault:
    """What befalls one request. `way` is "up" (the request) or "down" (its answer), `at` the bytes that pass before."""

    kind: str = ""
    way: str = "up"
    at: int = 0
    seconds: float = 0.0


Choose = Callable[[str, str, int], Fault | None]  # method, path, length of the body


class Chances:
    """Faults at random: `chances` says how probable each kind is for a request."""

    def __init__(
        self, seed: int, chances: dict[str, float], *, late: float = 0.05, within: int = 500
    ) -> None:
        assert set(chances) <= set(KINDS)
        self._random, self._chances = random.Random(seed), chances
        self._late, self._within = late, within
        self._lock = threading.Lock()

    def __call__(self, _method: str, _path: str, _length: int) -> Fault | None:
        with self._lock:
            drawn = self._random.random()
            way, at = self._random.choice(("up", "down")), self._random.randrange(self._within)
            seconds = self._random.random() * self._late
        for kind, chance in self._chances.items():
            if (drawn := drawn - chance) < 0:
                return Fault(kind, way, at, seconds)
        return None


class Broken(Exception):
    """The exchange is over; so are its connections."""


class Proxy:
    """Listens on `port` from the beginning to `close`, and passes on what comes to `target`."""

    def __init__(self, target: int, choose: Choose) -> None:
        self.target, self.choose = target, choose
        self.passed = {"up": 0, "down": 0}  # bytes, those of faulty exchanges too
        self.done: Counter[str] = Counter()  # faults that took place
        self.requests = 0
        self._changed = threading.Condition()
        self._over = False
        self._sockets: set[socket.socket] = set()
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = int(self._listening.getsockname()[1])
        self._begin(self._accept)

    def close(self) -> None:
        """End every connection, those that are half open too."""
        with self._changed:
            self._over = True
            self._changed.notify_all()
            open_now = list(self._sockets)
        for one in (self._listening, *open_now):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    # -- inside --------------------------------------------------------------------------------------------

    def _begin(self, work: Callable[..., None], *args: object) -> None:
        threading.Thread(target=work, args=args, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                self._begin(self._serve, near)

    def _serve(self, near: socket.socket) -> None:
        """One connection: its requests one after the other, passed on over one connection of our own."""
        far: socket.socket | None = None
        try:
            self._know(near)
            while (head := _head(near)) is not None:
                fault = self._draw(head)
                if fault.kind == "duplicate":
                    self._twice(head, near)
                    continue
                far = far or self._dial()
                _Exchange(self, near, far, head, fault).run()
        except (OSError, Broken):
            pass
        finally:
            for one in (near, far):
                if one is not None:
                    self._forget(one)

    def _draw(self, head: Head) -> Fault:
        fault = self.choose(head.method, head.path, head.length) or Fault()
        if fault.kind == "duplicate" and head.length > PIECE:
            fault = Fault()
        with self._changed:
            if fault.kind in ("latency", "reorder"):
                self.done[fault.kind] += 1
                before = self.requests
                overtaken = fault.kind == "reorder"
                self._changed.wait_for(
                    lambda: self._over or (overtaken and self.requests > before),
                    HELD if overtaken else fault.seconds,
                )
        return fault

    def _twice(self, head: Head, near: socket.socket) -> None:
        """A whole request on two connections at once; the answer that comes first is the answer."""
        body = b""
        while len(body) < head.length:
            if not (more := near.recv(head.length - len(body))):
                raise Broken
            body += more
        self.note("duplicate")
        fars = [self._dial(), self._dial()]
        for far in fars:
            far.sendall(head.raw + body)
        self.forwarded("up", 2 * len(head.raw + body))
        self.whole()
        ready, _, _ = select.select([*fars, near], [], [], ANSWERING)
        first = next((far for far in fars if far in ready), None)
        if first is None:  # it went away, or nobody answers
            for far in fars:
                self._forget(far)
            raise Broken
        other = fars[1 - fars.index(first)]
        self._begin(self._drain, other)
        try:
            _answer(first, lambda piece: self._down(near, piece))
        finally:
            self._forget(first)

    def _drain(self, far: socket.socket) -> None:
        with contextlib.suppress(OSError, Broken):
            far.settimeout(ANSWERING)
            _answer(far, lambda _piece: None)
        self._forget(far)

    def _down(self, near: socket.socket, piece: bytes) -> None:
        near.sendall(piece)
        self.forwarded("down", len(piece))

    def _dial(self) -> socket.socket:
        far = socket.create_connection(("127.0.0.1", self.target), 10)
        far.settimeout(None)
        self._know(far)
        return far

    def _know(self, one: socket.socket) -> None:
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._changed:
            self._sockets.add(one)
            if self._over:
                raise Broken

    def _forget(self, one: socket.socket) -> None:
        with self._changed:
            self._sockets.discard(one)
        one.close()

    # -- for exchanges -------------------------------------------------------------------------------------

    def forwarded(self, way: str, count: int) -> None:
        """So many bytes passed."""
        with self._changed:
            self.passed[way] += count

    def note(self, kind: str) -> None:
        """A fault took place."""
        with self._changed:
            self.done[kind] += 1

    def whole(self) -> None:
        """A request has passed: who is held back for it may go on."""
        with self._changed:
            self.requests += 1
            self._changed.notify_all()

    def hang(self) -> None:
        """Until the proxy is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._over)


@dataclass(frozen=True)
class Head:
    """The head of a request."""

    raw: bytes
    method: str
    path: str
    length: int


class _Exchange:
    """One request and its answer, with what befalls them."""

    def __init__(
        self, proxy: Proxy, near: socket.socket, far: socket.socket, head: Head, fault: Fault
    ) -> None:
        self._proxy, self._near, self._far, self._head, self._fault = proxy, near, far, head, fault
        self._went = {"up": 0, "down": 0}

    def run(self) -> None:
        self._pass("up", self._head.raw)
        left = self._head.length
        while True:  # the request, unless the answer comes before its end
            if not left:
                self._proxy.whole()
            ready, _, _ = select.select([self._near, self._far], [], [])
            if self._far in ready:
                break
            piece = self._near.recv(min(PIECE, left) or 1)
            if not piece or not left:
                raise Broken  # it went away while it waited
            left -= len(piece)
            self._pass("up", piece)
        _answer(self._far, lambda piece: self._pass("down", piece))
        if left:
            raise Broken

    def _pass(self, way: str, piece: bytes) -> None:
        fault, went = self._fault, self._went[way]
        here = way == fault.way and went <= fault.at < went + len(piece)
        if here and fault.kind == "damage":
            at = fault.at - went
            piece = piece[:at] + bytes([piece[at] ^ 0xFF]) + piece[at + 1 :]
            self._proxy.note(fault.kind)
            here = False
        cut = here and fault.kind in ("reset", "truncate", "half-open")
        if cut:
            piece = piece[: fault.at - went]
        (self._far if way == "up" else self._near).sendall(piece)
        self._went[way] += len(piece)
        self._proxy.forwarded(way, len(piece))
        if cut:
            self._break()

    def _break(self) -> None:
        self._proxy.note(self._fault.kind)
        if self._fault.kind == "half-open":
            self._proxy.hang()
        elif self._fault.kind == "reset":
            for one in (self._near, self._far):  # closing then sends RST
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Broken


def _lines(from_: socket.socket) -> bytes:
    """Up to the empty line, and nothing beyond; b"" when the connection ended before."""
    raw = b""
    while not raw.endswith(b"\r\n\r\n"):
        seen = from_.recv(4096, socket.MSG_PEEK)
        if not seen:
            return b""
        end = (raw[-3:] + seen).find(b"\r\n\r\n")
        raw += from_.recv(len(seen) if end < 0 else end + 4 - len(raw[-3:]))
    return raw


def _fields(raw: bytes) -> tuple[str, dict[str, str]]:
    first, *rest = raw.decode("latin-1").rstrip("\r\n").split("\r\n")
    pairs = (line.split(":", 1) for line in rest)
    return first, {name.lower(): value.strip() for name, value in pairs}


def _head(near: socket.socket) -> Head | None:
    raw = _lines(near)
    if not raw:
        return None
    first, fields = _fields(raw)
    method, path, _ = first.split(" ")
    assert "transfer-encoding" not in fields, "our clients name the length of what they send"
    return Head(raw, method, path, int(fields.get("content-length", "0")))


def _answer(far: socket.socket, give: Callable[[bytes], None]) -> None:
    """Pass on one answer, to its end."""
    raw = _lines(far)
    if not raw:
        raise Broken
    first, fields = _fields(raw)
    give(raw)
    if fields.get("transfer-encoding") == "chunked":
        while (size := int(line := _line(far, give), 16)) or line != b"0\r\n":
            _exactly(far, size + 2, give)
        _line(far, give)
    elif "content-length" in fields:
        _exactly(far, int(fields["content-length"]), give)
    elif first.split(" ")[1] not in ("204", "304"):
        while piece := far.recv(PIECE):
            give(piece)
        raise Broken
    if fields.get("connection", "").lower() == "close":
        raise Broken


def _line(far: socket.socket, give: Callable[[bytes], None]) -> bytes:
    line = b""
    while not line.endswith(b"\r\n"):
        if not (byte := far.recv(1)):
            raise Broken
        line += byte
    give(line)
    return line


def _exactly(far: socket.socket, left: int, give: Callable[[bytes], None]) -> None:
    while left:
        if not (piece := far.recv(min(PIECE, left))):
            raise Broken
        left -= len(piece)
        give(piece)
