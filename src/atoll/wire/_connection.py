"""One connection to a coordinator: requests with bodies of any length, and an end from another thread at any moment.

Doesn't know what is asked.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import ssl
from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

from atoll.wire._route import Route, proxy_headers

CONNECTING = 10.0  # seconds for each address of a name, and for TLS
STALLED = 30.0  # seconds in which nothing moves
PIECE = 1 << 20  # bytes read or written at once
_ANSWERED = 2.0  # seconds for what a server may have said before it hung up


class Stretch(NamedTuple):
    """Bytes of a file."""

    file: io.FileIO
    begin: int
    length: int


Body: TypeAlias = bytes | Iterable[bytes | memoryview | Stretch] | None


class ProxyRefused(OSError):
    """A proxy would not let us through."""


class Connection(http.client.HTTPConnection):
    """Opens itself with the first request. One thread uses it; `interrupt` may be called by any."""

    def __init__(self, route: Route) -> None:
        super().__init__(route.host, route.port)
        self.default_port = 443 if route.secure else 80
        self._route, self._ended = route, False

    def __del__(self) -> None:
        self.close()  # its thread has ended

    def connect(self) -> None:
        """Dial, through the proxy and TLS."""
        self._dial()
        if self._route.secure is not None:
            if self._route.proxy is not None:
                self._tunnel_to(self._route.netloc)
            self.sock = secure = self._route.secure.wrap_socket(
                self.sock, server_hostname=self._route.host, do_handshake_on_connect=False
            )
            if self._ended:  # while the socket passed from hand to hand, and an interrupt met neither
                raise ConnectionAbortedError("interrupted")
            secure.do_handshake()

    def ask(
        self, method: str, path: str, headers: dict[str, str], body: Body, wait: float
    ) -> http.client.HTTPResponse:
        """One request; the head of its answer may take `wait` seconds, everything else moves or fails."""
        if self.sock is None:
            self.connect()
        self.sock.settimeout(STALLED)
        self.putrequest(method, self._route.prefix + path, skip_accept_encoding=True)
        for name, value in headers.items():
            self.putheader(name, value)
        if body is None or isinstance(body, bytes):
            self.endheaders(body)
        else:
            self.endheaders()
            try:
                for piece in body:
                    self._send(piece)
            except OSError:
                early = self._refused_early()
                if early is None:
                    raise
                return early
        self.sock.settimeout(wait)
        response = self.getresponse()
        if response.length is None and not response.chunked:  # http.client takes such a head for a whole one
            raise ConnectionResetError("the answer was cut off in its head")
        if self.sock is not None:
            self.sock.settimeout(STALLED)
        return response

    def interrupt(self) -> None:
        """End what is under way, for good."""
        self._ended = True
        if self.sock is not None:
            with contextlib.suppress(OSError):
                # not SSLSocket.shutdown: a thread that writes just then would go on in plain text
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)

    # -- inside --------------------------------------------------------------------------------------------

    def _dial(self) -> None:
        failed: OSError | None = None
        host, port = self._route.dialled
        for family, kind, protocol, _, where in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            self.sock = socket.socket(family, kind, protocol)
            self.sock.settimeout(CONNECTING)
            try:
                if not self._ended:
                    self.sock.connect(where)
                    self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._ended:
                    raise ConnectionAbortedError("interrupted")
                return
            except OSError as error:
                failed = error
                self.close()
        raise failed or OSError(f"{host} has no address")

    def _tunnel_to(self, netloc: str) -> None:
        lines = [f"CONNECT {netloc} HTTP/1.1", f"Host: {netloc}"]
        lines += [f"{name}: {value}" for name, value in proxy_headers(self._route.proxy).items()]
        self.sock.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
        response = http.client.HTTPResponse(self.sock, method="CONNECT")
        try:
            response.begin()
            if response.status >= 500:
                raise ConnectionError(f"the proxy answered {response.status} {response.reason}")
            if response.status != 200:
                raise ProxyRefused(f"the proxy answered {response.status} {response.reason}")
        finally:
            response.close()

    def _send(self, piece: bytes | memoryview | Stretch) -> None:
        if not isinstance(piece, Stretch):
            self.sock.sendall(piece)
        elif isinstance(self.sock, ssl.SSLSocket):  # its sendfile takes 8 KiB at a time
            self._send_read(piece)
        elif self.sock.sendfile(piece.file, piece.begin, piece.length) < piece.length:
            raise _shrunk(piece)

    def _send_read(self, piece: Stretch) -> None:
        buffer, left = memoryview(bytearray(min(PIECE, piece.length))), piece.length
        piece.file.seek(piece.begin)
        while left:
            count = piece.file.readinto(buffer[: min(PIECE, left)])
            if not count:
                raise _shrunk(piece)
            self.sock.sendall(buffer[:count])
            left -= count

    def _refused_early(self) -> http.client.HTTPResponse | None:
        """The answer that came before the body was all sent, if it says why."""
        self.sock.settimeout(_ANSWERED)
        with contextlib.suppress(OSError, http.client.HTTPException):
            response = self.getresponse()
            if response.status >= 400:
                response.will_close = True
                return response
        return None


def _shrunk(piece: Stretch) -> ConnectionError:
    return ConnectionError(f"{piece.file.name!r} became shorter while it was sent")
