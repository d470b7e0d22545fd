"""A client of the coordinator: one keep-alive connection a thread, patient with what passes, and quick to be closed.

Doesn't know what the requests mean; all of them may be sent twice.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import msgspec

from atoll.values import AtollError
from atoll.wire._backoff import Backoff
from atoll.wire._connection import Address, proxy_headers, route
from atoll.wire._messages import Problem

T = TypeVar("T")
MARGIN = 15.0  # seconds that an answer may take beyond what was asked for
_PASSING = {429, 502, 503, 504}  # tried again
_encode = msgspec.json.Encoder().encode
_FAULTS = (OSError, http.client.HTTPException)


class Refused(AtollError):
    """The coordinator said no: `status` and `code` tell why."""

    def __init__(self, code: str, message: str, mend: str = "", *, status: int = 400) -> None:
        super().__init__(code, message, mend)
        self.status = status
        self.exit_code = {400: 2, 404: 3}.get(status, 1)
        self.retry_after = 0.0  # seconds


class Unreachable(AtollError):
    """Nobody answered for as long as was to be waited."""


class Client:
    """Requests to one coordinator, from any thread.

    `patience`: seconds for which a request that nobody answers, or that is put off, is tried again: None for ever,
    0 once. Raises `Refused`, and `Unreachable` (`wire.unreachable`; `wire.closed` after `close`).
    """

    def __init__(self, address: Address, *, agent: str, patience: float | None = None) -> None:
        self.address, self._patience = address, patience
        self._route = route(address)
        self._headers = {"User-Agent": agent, "Accept": "application/json"}
        if address.token:
            self._headers["Authorization"] = f"Bearer {address.token}"
        if self._route.proxy and self._route.secure is None:
            self._headers |= proxy_headers(self._route.proxy)
        self.closing = threading.Event()
        self._local = threading.local()
        self._lock = threading.Lock()
        self._open: dict[int, http.client.HTTPConnection] = {}
        self._decoders: dict[Any, msgspec.json.Decoder[Any]] = {}

    def call(
        self, method: str, path: str, body: msgspec.Struct | None, answer: type[T], *, wait: float = 0
    ) -> T:
        """Send a message and return the answer; `wait` is how long the other side may hold it back."""
        content = _encode(body) if body is not None else None

        def once() -> T:
            with self.answering(method, path, content, wait=wait) as response:
                decoder = self._decoders.get(answer)
                if decoder is None:
                    decoder = self._decoders[answer] = msgspec.json.Decoder(answer)
                found: T = decoder.decode(response.read())
                return found

        return self.patiently(once)

    def fetch(self, path: str) -> bytes:
        """The bytes that lie at a path."""

        def once() -> bytes:
            with self.answering("GET", path, None) as response:
                return response.read()

        return self.patiently(once)

    @contextlib.contextmanager
    def answering(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes | memoryview] | None,
        *,
        length: int | None = None,
        wait: float = 0,
    ) -> Iterator[http.client.HTTPResponse]:
        """One try: the response to a request, to be read inside. What goes wrong on the way is an `OSError`."""
        if self.closing.is_set():
            raise _closed()
        headers = dict(self._headers)
        if body is not None:
            headers["Content-Type"] = (
                "application/json" if isinstance(body, bytes) else "application/octet-stream"
            )
        if length is not None:
            headers["Content-Length"] = str(length)
        whole = False
        try:
            response = self._send(method, path, body, headers, wait)
            if response.status >= 400:
                raise _refusal(response.status, response.read(1 << 20), response.headers.get("Retry-After"))
            yield response
            whole = response.isclosed()  # read to its end: the connection serves again
        except Refused:
            whole = True
            raise
        finally:
            if not whole:
                self._drop()

    def patiently(self, attempt: Callable[[], T]) -> T:
        """Try until it is done, refused, or patience is over."""
        began, backoff = time.monotonic(), Backoff()
        while True:
            pause = 0.0
            try:
                return attempt()
            except Refused as error:
                if error.status not in _PASSING or self._over(began):
                    raise
                pause = min(error.retry_after, 5.0)
            except _FAULTS as error:
                if self.closing.is_set():
                    raise _closed() from error
                if self._over(began):
                    mend = "see whether the coordinator runs there: atoll coordinator start"
                    why = str(error) or type(error).__name__
                    message = f"no answer from {self.address.url}: {why}"
                    raise Unreachable("wire.unreachable", message, mend) from error
            except msgspec.MsgspecError as error:
                mend = "see what answers there, and which version of atoll it is"
                raise Refused(
                    "wire.bad-answer", f"{self.address.url} answered something else: {error}", mend
                ) from error
            if self.closing.wait(backoff.next(pause)):
                raise _closed()

    def close(self) -> None:
        """End every request that is under way, on whatever thread."""
        self.closing.set()
        with self._lock:
            for connection in self._open.values():
                if connection.sock is not None:
                    with contextlib.suppress(OSError):
                        connection.sock.shutdown(socket.SHUT_RDWR)

    def _send(
        self, method: str, path: str, body: Any, headers: dict[str, str], wait: float
    ) -> http.client.HTTPResponse:
        fresh = getattr(self._local, "connection", None) is None
        try:
            return self._exchange(method, path, body, headers, wait)
        except (ConnectionError, http.client.RemoteDisconnected, http.client.BadStatusLine):
            self._drop()
            if fresh or not (body is None or isinstance(body, bytes)) or self.closing.is_set():
                raise
        return self._exchange(
            method, path, body, headers, wait
        )  # the old connection was closed while nobody used it

    def _exchange(
        self, method: str, path: str, body: Any, headers: dict[str, str], wait: float
    ) -> http.client.HTTPResponse:
        connection = self._connection()
        connection.timeout = wait + MARGIN
        if connection.sock is not None:
            connection.sock.settimeout(wait + MARGIN)
        if body is None or isinstance(body, bytes):
            connection.request(method, self._route.prefix + path, body, headers)
            return connection.getresponse()
        connection.putrequest(method, self._route.prefix + path, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        try:
            for piece in body:
                connection.send(piece)
        except ConnectionError:  # it may have been refused before it was all there
            with contextlib.suppress(*_FAULTS):
                response = connection.getresponse()
                if response.status >= 400:
                    return response
            raise
        return connection.getresponse()

    def _connection(self) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._route.connect()
            with self._lock:
                self._open[id(connection)] = connection
        return connection

    def _drop(self) -> None:
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            self._local.connection = None
            with self._lock:
                self._open.pop(id(connection), None)
            with contextlib.suppress(OSError):
                connection.close()

    def _over(self, began: float) -> bool:
        return self._patience is not None and time.monotonic() - began >= self._patience


def _refusal(status: int, content: bytes, retry_after: str | None) -> Refused:
    try:
        problem = msgspec.json.decode(content, type=Problem)
    except msgspec.MsgspecError:
        problem = Problem(
            code="wire.refused", message=f"the answer was {status}: {content[:200].decode(errors='replace')}"
        )
    refused = Refused(problem.code, problem.message, problem.mend, status=status)
    refused.retry_after = float(retry_after) if retry_after and retry_after.isdigit() else 0.0
    return refused


def _closed() -> Unreachable:
    return Unreachable("wire.closed", "the connection was closed from this side")
