"""The server: granian inside this process, on a socket that is this process's alone.

Doesn't know what is served. Granian's own sockets share their port with whoever asks (SO_REUSEPORT), and don't tell when they
listen; this one does neither.
"""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any

from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings
from granian.server.embed import Server as Embedded

from atoll.values import ConfigError

WAITING = 100_000  # requests that may wait at once: granian holds back all beyond
UNREAD = 120_000  # milliseconds in which whoever asked takes nothing of what is sent, after which nobody is there
_BACKLOG = 4096  # connections not yet taken: a thousand nodes may come back at once


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises `ConfigError` (`coordinator.port-taken`)."""
    try:
        family, _, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise _taken(host, port, error) from error
    try:
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # those that are accepted inherit it; a server can't tell them otherwise
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD)
        listening.bind(where)
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise _taken(host, port, error) from error
    listening.setblocking(False)
    return listening


def _taken(host: str, port: int, error: OSError) -> ConfigError:
    message = f"{host}:{port} can't be listened on: {error.strerror or error}"
    return ConfigError("coordinator.port-taken", message, "give another: --port 8766")


class Server(Embedded):
    """Serves an RSGI application on a socket. Raises `ConfigError` (`coordinator.bad-certificate`)."""

    def __init__(
        self, application: Any, listening: socket.socket, *, certificate: Path | None, key: Path | None
    ) -> None:
        self._listening = listening
        if certificate is not None and key is not None:
            _check(certificate, key)
        super().__init__(
            application, address=listening.getsockname()[0], port=listening.getsockname()[1], interface=Interfaces.RSGI,
            http=HTTPModes.http1, http1_settings=HTTP1Settings(), websockets=False, backlog=_BACKLOG, backpressure=WAITING,
            log_enabled=False, ssl_cert=certificate, ssl_key=key, ssl_protocol_min=SSLProtocols.tls13,
        )  # fmt: skip

    def _init_shared_socket(self) -> None:
        make: Any = SocketHolder  # its stub tells nothing of its arguments
        self._shd = make(self._listening.detach(), False, _BACKLOG)


def _check(certificate: Path, key: Path) -> None:
    """Granian ends the whole process over a key that it can't use."""
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key, password=lambda: "")  # or OpenSSL asks at the terminal
    except (OSError, ssl.SSLError, ValueError) as error:
        message = f"{certificate} and {key} can't be used for TLS: {error}"
        mend = "PEM files, the key without a password: --tls-cert FILE --tls-key FILE"
        raise ConfigError("coordinator.bad-certificate", message, mend) from error
