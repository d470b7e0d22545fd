"""The door: who comes, what they want, and what they get, over HTTP.

Doesn't know what any of it means; the desk does.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from atoll._version import __version__
from atoll.service.coordinator._answers import JSON, encode, refuse
from atoll.service.coordinator._desk import Desk
from atoll.service.coordinator._metrics import prometheus
from atoll.service.coordinator._objects import Objects
from atoll.service.coordinator._openapi import document
from atoll.service.coordinator._refusals import Refusal
from atoll.service.coordinator._routes import ROUTES, Asked, Route
from atoll.wire import About

OPEN = {"/healthz", "/readyz", "/openapi.json"}  # for whoever asks
CAPABILITIES = ["bundles", "bulk", "inline"]


class Door:
    """An RSGI application. `ready` tells why it is not, or ""; `local`: only names of this machine are answered to."""

    def __init__(
        self, desk: Desk, objects: Objects, *, token: str, local: bool, ready: Callable[[], str]
    ) -> None:
        self._desk, self._objects, self._ready = desk, objects, ready
        self._token, self._local = f"Bearer {token}".encode(), local
        self._exact = {(r.method, r.path): (r, _decoder(r)) for r in ROUTES if "{" not in r.path}
        self._patterns = [(r, r.pattern, _decoder(r)) for r in ROUTES if "{" in r.path]
        self._bare: dict[str, Callable[[], tuple[int, bytes]]] = {
            "/healthz": lambda: (200, b'{"status":"alive"}'),
            "/readyz": self._readyz,
            "/openapi.json": lambda: (200, encode(document(ROUTES, __version__))),
            "/v1/about": lambda: (
                200,
                encode(About(version=__version__, time=time.time(), capabilities=CAPABILITIES)),
            ),
        }

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        if scope.proto != "http":
            protocol.close(403)
            return
        try:
            await self._answer(scope, protocol)
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception as error:
            refuse(protocol, error)

    async def _answer(self, scope: Any, protocol: Any) -> None:
        method, path = scope.method, scope.path
        if path not in OPEN:
            self._admit(scope)
        if found := self._exact.get((method, path)):
            return await self._do(scope, protocol, *found, {})
        if self._objects.serves(method, path):
            return await self._objects.answer(scope, protocol)
        if path in self._bare or path == "/metrics":
            return self._tell(method, path, protocol)
        for route, pattern, decoder in self._patterns:
            if route.method == method and (match := pattern.match(path)):
                names = {name: unquote(value) for name, value in match.groupdict().items()}
                return await self._do(scope, protocol, route, decoder, names)
        raise self._nowhere(method, path)

    async def _do(
        self,
        scope: Any,
        protocol: Any,
        route: Route,
        decoder: msgspec.json.Decoder[Any] | None,
        names: dict[str, str],
    ) -> None:
        body = decoder.decode(await read(scope, protocol, route.limit)) if decoder else None
        query = dict(parse_qsl(scope.query_string)) if scope.query_string else {}
        work = route.done(self._desk, Asked(body, names, query))
        if route.leaving:
            answer = await self._waiting(protocol, work, getattr(self._desk, route.leaving), body)
            if answer is None:
                return
        else:
            answer = await work
        protocol.response_bytes(200, JSON, encode(answer))

    async def _waiting(self, protocol: Any, work: Any, gone: Callable[[str, int], None], body: Any) -> Any:
        """The answer to somebody who waits; None when they went away meanwhile."""
        answer = asyncio.ensure_future(work)
        leaving = asyncio.ensure_future(protocol.client_disconnect())
        try:
            await asyncio.wait({answer, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                return answer.result()
            gone(body.name, body.session)
            return None
        finally:
            for each in (answer, leaving):
                if not each.done():
                    each.cancel()

    def _admit(self, scope: Any) -> None:
        headers = scope.headers
        if self._local:
            host = scope.authority or headers.get("host") or ""
            if _named(host) not in ("127.0.0.1", "localhost", "::1"):
                raise Refusal(
                    403, "request.bad-host", f"this coordinator is not {host!r:.80}", "use 127.0.0.1"
                )
            origin = headers.get("origin")
            if origin and urlsplit(origin).netloc != host:
                raise Refusal(403, "request.bad-origin", f"a page of {origin!r:.80} may not ask here")
        given = (headers.get("authorization") or "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, self._token):
            mend = "its token lies in the coordinator's home: atoll context add NAME URL --token-file FILE"
            raise Refusal(401, "request.no-token", "the request has no token, or a wrong one", mend)

    def _tell(self, method: str, path: str, protocol: Any) -> None:
        if method != "GET":
            raise self._nowhere(method, path)
        if path == "/metrics":
            kind = [("content-type", "text/plain; version=0.0.4")]
            protocol.response_bytes(200, kind, prometheus(self._desk.readings()))
            return
        status, body = self._bare[path]()
        protocol.response_bytes(status, JSON, body)

    def _readyz(self) -> tuple[int, bytes]:
        why = self._ready()
        return (503 if why else 200), encode({"status": why or "ready"})

    def _nowhere(self, method: str, path: str) -> Refusal:
        others = {r.method for r in ROUTES if r.pattern.match(path)} | self._objects.methods(path)
        if others or path in self._bare or path == "/metrics":
            allowed = ", ".join(sorted(others or {"GET"}))
            return Refusal(405, "request.bad-method", f"{path:.200} takes {allowed}, not {method:.20}")
        return Refusal(404, "request.no-path", f"there is nothing at {path:.200}", "see /openapi.json")


async def read(scope: Any, protocol: Any, limit: int) -> bytes:
    """A request's body. Raises `Refusal` (413) before more than the limit is read."""
    length = scope.headers.get("content-length")
    if length is not None and length.isdigit() and int(length) <= limit:
        whole: bytes = await protocol()
        return whole
    too_large = Refusal(413, "request.too-large", f"a request of this kind has at most {limit:,} bytes")
    if length is not None:
        raise too_large
    body = bytearray()
    async for chunk in protocol:
        body += chunk
        if len(body) > limit:
            raise too_large
    return bytes(body)


def _decoder(route: Route) -> msgspec.json.Decoder[Any] | None:
    return msgspec.json.Decoder(route.body) if route.body else None


def _named(authority: str) -> str:
    try:
        return urlsplit(f"//{authority}").hostname or ""
    except ValueError:
        return ""
