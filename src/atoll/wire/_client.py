"""A client of the coordinator: one keep-alive connection a thread, patient with what passes, and quick to be closed.

Doesn't know what the requests mean; all of them may be sent twice.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import ssl
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from atoll.values import UNREADABLE, AtollError
from atoll.wire._backoff import Backoff
from atoll.wire._connection import Body, Connection, ProxyRefused
from atoll.wire._messages import Problem
from atoll.wire._route import Address, proxy_headers, route

if TYPE_CHECKING:
    from atoll.identity import Key, Signer

T = TypeVar("T")
STALE = "request.stale"  # signed by another clock than the coordinator's
MARGIN = 15.0  # seconds that an answer may take beyond what was asked for
LARGEST = 256 << 20  # bytes of an answer that is read at once
_PROBLEM = 1 << 16  # bytes of a refusal
_PASSING = {429, 502, 503, 504}  # tried again
_QUOTA = "quota.exceeded"  # passes when somebody does something about it: only those wait who wait for ever
_LONGEST = 60.0  # seconds that a coordinator may put us off
_encode = msgspec.json.Encoder().encode
_FAULTS = (OSError, http.client.HTTPException)


class Refused(AtollError):
    """The coordinator said no: `status` and `code` tell why."""

    def __init__(self, code: str, message: str, mend: str = "", *, status: int = 400) -> None:
        super().__init__(code, message, mend)
        self.status = status
        self.exit_code = {400: 2, 404: 3}.get(status, 1)
        self.retry_after = 0.0  # seconds
        self.time = 0.0  # the coordinator's, when ours was the reason


class Unreachable(AtollError):
    """Nobody answered for as long as was to be waited."""


class Client:
    """Requests to one coordinator, from any thread. With a key (`key`, or the address's) each is signed anew as it leaves.

    `patience`: seconds for which a request that nobody answers, or that is put off, is tried again: None for ever,
    0 once. Raises `Refused`, and `Unreachable` (`wire.unreachable`, `wire.untrusted`; `wire.closed` after `close`).
    """

    def __init__(
        self,
        address: Address,
        *,
        agent: str,
        key: Key | None = None,
        patience: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        chance: random.Random | None = None,
    ) -> None:
        self.address, self._patience, self._clock, self._chance = address, patience, clock, chance
        self._route, self._signer = route(address), _signer(address, key)
        self._kept = _version(address.ca)
        self._headers = {"User-Agent": agent, "Accept": "application/json"}
        if address.token:
            self._headers["Authorization"] = f"Bearer {address.token}"
        if self._route.secure is None:
            self._headers |= proxy_headers(self._route.proxy)
        self.closing = threading.Event()
        self._local = threading.local()
        self._lock = threading.Lock()
        # a thread that ends takes its own with it
        self._open: weakref.WeakSet[Connection] = weakref.WeakSet()
        self._decoders: dict[Any, msgspec.json.Decoder[Any]] = {}

    def call(
        self, method: str, path: str, body: msgspec.Struct | None, answer: type[T], *, wait: float = 0
    ) -> T:
        """Send a message and return the answer; `wait` is how long the other side may hold it back."""
        return self.patiently(lambda: self.once(method, path, body, answer, wait=wait))

    def once(
        self, method: str, path: str, body: msgspec.Struct | None, answer: type[T], *, wait: float = 0
    ) -> T:
        """As `call`, but one try, for use inside `patiently`."""
        content = _encode(body) if body is not None else None
        decoder = self._decoders.get(answer)
        if decoder is None:
            decoder = self._decoders[answer] = msgspec.json.Decoder(answer)
        with self.answering(method, path, content, wait=wait) as response:
            found: T = decoder.decode(_whole(response))
            return found

    def fetch(self, path: str) -> bytes:
        """The bytes that lie at a path."""

        def once() -> bytes:
            with self.answering("GET", path, None) as response:
                return _whole(response)

        return self.patiently(once)

    @contextlib.contextmanager
    def answering(
        self, method: str, path: str, body: Body, *, length: int | None = None, wait: float = 0
    ) -> Iterator[http.client.HTTPResponse]:
        """One try: the response to a request, to be read inside. What goes wrong on the way is an `OSError`, or one of
        `http.client`'s."""
        try:
            response = self._granted(method, path, body, length, wait + MARGIN)
        except Refused as error:
            if not (body is None or isinstance(body, bytes)) or not self._learnt(error):
                raise
            response = self._granted(method, path, body, length, wait + MARGIN)
        whole = False
        try:
            yield response
            whole = response.isclosed()  # read to its end: the connection serves again
        finally:
            if not whole:
                self._drop()

    def patiently(self, attempt: Callable[[], T], *, moved: Callable[[], int] | None = None) -> T:
        """Try until it is done, refused, or patience is over.

        What may take long has `moved`: patience is then counted from a failure on, and anew whenever that has changed.
        """
        began = self._clock() if moved is None else None
        backoff, before = Backoff(self._chance), moved() if moved else 0
        while True:
            try:
                return attempt()
            except (Refused, *UNREADABLE, *_FAULTS) as error:
                passing = not isinstance(error, Refused) or error.status in _PASSING
                if self.closing.is_set() and passing:
                    raise _closed() from error
                now = moved() if moved else 0
                if began is None or now != before:
                    began, backoff, before = self._clock(), Backoff(self._chance), now
                pause = backoff.next(self._put_off(error, began))
            if self.closing.wait(pause):
                raise _closed()

    def close(self) -> None:
        """End every request that is under way, on whatever thread."""
        self.closing.set()
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            connection.interrupt()

    # -- inside --------------------------------------------------------------------------------------------

    def _granted(
        self, method: str, path: str, body: Body, length: int | None, wait: float
    ) -> http.client.HTTPResponse:
        """The response to a request that isn't refused."""
        whole = False
        try:
            response = self._ask(method, path, body, length, wait)
            if response.status < 300:
                whole = True
                return response
            told = _read(response, _PROBLEM)
            error = _refusal(response.status, told, response.headers.get("Retry-After"))
            whole = response.isclosed() and not response.will_close
            raise error
        finally:
            if not whole:
                self._drop()

    def _learnt(self, error: Refused) -> bool:
        """Whether only our clock was in the way: from now on requests are signed in the coordinator's time."""
        if self._signer is None or error.code != STALE or not error.time:
            return False
        self._signer.learn(error.time)
        return True

    def _put_off(self, error: Exception, began: float) -> float:
        """Seconds to wait at least after such an error; raises it when it won't pass, or has lasted too long."""
        over = self._patience is not None and self._clock() - began >= self._patience
        url = self.address.url
        if isinstance(error, Refused):
            if error.status not in _PASSING or over or (self._patience is not None and error.code == _QUOTA):
                raise error
            return min(error.retry_after, _LONGEST)
        if isinstance(error, UNREADABLE):
            mend = "see what answers there, and which version of atoll it is"
            raise Refused("wire.bad-answer", f"{url} answered something else: {error}", mend) from error
        if isinstance(error, ssl.SSLCertVerificationError) and self._trusts_anew():
            return 0.0
        if self._patience is not None and isinstance(error, ssl.SSLCertVerificationError):
            raise _untrusted(self.address, error) from error
        if over or (self._patience is not None and isinstance(error, ProxyRefused)):
            mend = "see whether the coordinator runs there: atoll coordinator start"
            message = f"no answer from {url}: {str(error) or type(error).__name__}"
            raise Unreachable("wire.unreachable", message, mend) from error
        return 0.0

    def _trusts_anew(self) -> bool:
        """Whether the coordinator has another authority now, for which its key vouches."""
        if not (self.address.ca and self.address.audience):
            return False
        from atoll.wire._authority import renew_authority

        renew_authority(self.address)
        kept = _version(self.address.ca)
        if kept == self._kept:
            return False
        self._route, self._kept = route(self.address), kept  # another client may have renewed it
        return True

    def _headers_of(self, method: str, path: str, body: Body, length: int | None) -> dict[str, str]:
        headers = self._plain_headers(method, body, length)
        if self._signer is None:
            return headers
        content = body if isinstance(body, bytes) else b""
        streamed = None if body is None or content else length
        return {**headers, **self._signer.headers(method, path, body=content, length=streamed)}

    def _plain_headers(self, method: str, body: Body, length: int | None) -> dict[str, str]:
        if body is None:
            return self._headers if method == "GET" else {**self._headers, "Content-Length": "0"}
        if isinstance(body, bytes):
            return {**self._headers, "Content-Type": "application/json", "Content-Length": str(len(body))}
        return {**self._headers, "Content-Type": "application/octet-stream", "Content-Length": str(length)}

    def _ask(
        self, method: str, path: str, body: Body, length: int | None, wait: float
    ) -> http.client.HTTPResponse:
        """One request, signed as it leaves: nothing that was signed is sent twice."""
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is not None:
            try:
                return connection.ask(method, path, self._headers_of(method, path, body, length), body, wait)
            except (ConnectionError, http.client.BadStatusLine):
                self._drop()
                if not (body is None or isinstance(body, bytes)) or self.closing.is_set():
                    raise
                # else the other side had closed it while nobody used it
        return self._connection().ask(method, path, self._headers_of(method, path, body, length), body, wait)

    def _connection(self) -> Connection:
        connection = self._local.connection = Connection(self._route)
        with self._lock:
            self._open.add(connection)
        if self.closing.is_set():
            raise _closed()
        return connection

    def _drop(self) -> None:
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is not None:
            self._local.connection = None
            with contextlib.suppress(OSError):
                connection.close()


def _untrusted(address: Address, error: ssl.SSLCertVerificationError) -> Unreachable:
    message = f"the certificate of {address.url} is not to be trusted: {error.verify_message}"
    mend = "name the file that holds the coordinator's certificate: --ca FILE"
    if address.ca and address.key:
        message += "; nor does the coordinator's key vouch for it: it may be somebody else"
        mend = "ask its administrator; if the coordinator was made anew, enrol anew with a link of theirs"
    return Unreachable("wire.untrusted", message, mend)


def _signer(address: Address, key: Key | None) -> Signer | None:
    """Who signs our requests, if anybody does. Raises `IdentityError` for a key that can't be used."""
    if key is None and not address.key:
        return None
    from atoll import identity  # slow to import, and not wanted where there are no keys

    return identity.Signer(key or identity.Key.load(address.key), address.audience, time.time)


def _version(path: str) -> int:
    """What changes when a file is written anew."""
    try:
        return os.stat(path).st_mtime_ns if path else 0
    except OSError:
        return 0


def _whole(response: http.client.HTTPResponse) -> bytes:
    body = _read(response, LARGEST + 1)
    if len(body) > LARGEST:
        message = f"an answer of more than {LARGEST:,} bytes"
        raise Refused("wire.bad-answer", message, "see what answers there")
    return body


def _read(response: http.client.HTTPResponse, most: int) -> bytes:
    """All of an answer, or as much as so many bytes; only what is read to its end is known not to be cut off."""
    whole = response.length is not None and response.length <= most
    return response.read() if whole else response.read(most)


def _refusal(status: int, content: bytes, retry_after: str | None) -> Refused:
    try:
        problem = msgspec.json.decode(content, type=Problem)
    except UNREADABLE:
        told = content[:200].decode(errors="replace")
        mend = "see what answers there: it may be a proxy"
        problem = Problem(code="wire.refused", message=f"the answer was {status}: {told}", mend=mend)
    refused = Refused(problem.code, problem.message, problem.mend, status=status)
    refused.time = problem.time
    refused.retry_after = float(retry_after) if retry_after and retry_after.isdecimal() else 0.0
    return refused


def _closed() -> Unreachable:
    return Unreachable("wire.closed", "the connection was closed from this side")
