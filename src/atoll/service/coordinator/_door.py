"""The door: who comes, what they want, and what they get, over HTTP.

Doesn't know what any of it means; the desk does.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, TypeAlias
from urllib.parse import parse_qs

import msgspec
from granian._granian import RSGIProtocolClosed

from atoll._version import __version__
from atoll.identity import Permission as P
from atoll.service.coordinator._answers import JSON, encode, read, refuse
from atoll.service.coordinator._desk import Desk
from atoll.service.coordinator._gate import Admitted, Gate
from atoll.service.coordinator._metrics import Counts, prometheus
from atoll.service.coordinator._objects import GONE, Objects
from atoll.service.coordinator._openapi import document
from atoll.service.coordinator._principals import NOBODY, Principal
from atoll.service.coordinator._readiness import Readiness
from atoll.service.coordinator._refusals import Refusal
from atoll.service.coordinator._route import ANYONE, Anyone, Asked, Route
from atoll.service.coordinator._routes import ROUTES
from atoll.wire import About

OPEN = {"/healthz", "/readyz", "/openapi.json"}  # for whoever asks
BARE = {*OPEN, "/v1/about", "/metrics"}
CAPABILITIES = ["bundles", "bulk", "inline"]
_TEXT = [("content-type", "text/plain; version=0.0.4; charset=utf-8")]
_Decoder: TypeAlias = "msgspec.json.Decoder[Any] | None"
_Found: TypeAlias = tuple[Route, _Decoder, dict[str, str]]


class Door:
    """An RSGI application."""

    def __init__(self, desk: Desk, objects: Objects, readiness: Readiness, gate: Gate) -> None:
        self._desk, self._objects, self._readiness = desk, objects, readiness
        self._gate = gate
        self._exact = {(r.method, r.path): (r, _decoder(r)) for r in ROUTES if "{" not in r.path}
        self._patterns = [(r, r.pattern, _decoder(r)) for r in ROUTES if "{" in r.path]
        self._counts = Counts()
        self._document = b""
        self._open = OPEN | {"/v1/about"} if gate.audience else OPEN

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        method, counts = scope.method, self._counts
        route: list[str] = []
        counts.under_way += 1
        try:
            status = await self._answer(scope, protocol, route)
        except asyncio.CancelledError:
            status = GONE
            raise
        except RSGIProtocolClosed:
            status = GONE
        except Exception as error:  # each request gets an answer; what is no refusal is told as a bug
            status = refuse(protocol, error, self._beside(error, method, scope.path))
            if status in (401, 403):
                self._desk.records.refused(error, scope.headers, route[0] if route else "-", known=status == 403)
        finally:
            counts.under_way -= 1
            counts.count(method if route else "-", route[0] if route else "-", status)

    async def _answer(self, scope: Any, protocol: Any, route: list[str]) -> int:
        """Answer a request; returns the status. `route` is told which it was."""
        method, path = scope.method, scope.path
        if found := self._find(method, path):
            one, _, _ = found
            came = self._come(scope, one.permission, one.also)
            route.append(one.path)
            return await self._do(scope, protocol, *found, came)
        if method in self._objects.methods(path):
            came = self._come(scope, P.OBJECT_PUT if method == "PUT" else P.OBJECT_GET)
            route.append(path if "sha256" not in path else path[: path.index("sha256")] + "{digest}")
            return await self._objects.answer(scope, protocol, came)
        if path not in self._open:
            self._come(scope, P.METRICS_SEE if path == "/metrics" else ANYONE)
        if method == "GET" and path in BARE:
            route.append(path)
            return await self._tell(path, protocol)
        raise self._nowhere(method, path)

    def _find(self, method: str, path: str) -> _Found | None:
        if found := self._exact.get((method, path)):
            return *found, {}
        for one, pattern, decoder in self._patterns:
            if one.method == method and (match := pattern.fullmatch(path)):
                return one, decoder, match.groupdict()
        return None

    def _come(self, scope: Any, permission: P | Anyone, also: tuple[P, ...] = ()) -> Admitted:
        """Who makes a request, once it is known that they may ask such a thing somewhere. Raises `Refusal`, `IdentityError`."""
        gate = self._gate
        came = Admitted(NOBODY) if permission is ANYONE and gate.audience else gate.admit(scope)
        if self._readiness.ending:
            raise Refusal(503, "coordinator.draining", "the coordinator is ending", "ask again", retry=1)
        if permission is P.METRICS_SEE:
            self._desk.access.whole(came.who, permission)
        elif permission is not ANYONE:
            self._desk.access.anywhere(came.who, (permission, *also))
        return came

    async def _do(
        self,
        scope: Any,
        protocol: Any,
        route: Route,
        decoder: _Decoder,
        names: dict[str, str],
        came: Admitted,
    ) -> int:
        body = None
        if decoder is not None:
            content = await read(scope, protocol, route.limit)
            came.check(content)
            body = decoder.decode(content)
        query = _query(scope.query_string) if scope.query_string else {}
        work = route.done(self._desk, Asked(body, names, query, came.who))
        if route.waits:
            work = self._waiting(protocol, work, route, body, came.who)
        if route.waits or route.stays:
            with self._gate.staying(came.who):
                answer = await work
        else:
            answer = await work
        protocol.response_bytes(200, JSON, encode(answer))
        return 200

    async def _waiting(self, protocol: Any, work: Any, route: Route, body: Any, who: Principal) -> Any:
        """The answer to somebody who waits; the desk is told if they go away meanwhile."""
        here = asyncio.current_task()
        assert here is not None

        def left(_: asyncio.Future[None]) -> None:
            if not leaving.cancelled():
                if route.leaving:
                    getattr(self._desk, route.leaving)(body.name, body.session, who=who)
                else:
                    here.cancel()

        leaving = asyncio.ensure_future(protocol.client_disconnect())
        leaving.add_done_callback(left)
        try:
            return await work
        finally:
            leaving.remove_done_callback(left)
            leaving.cancel()

    async def _tell(self, path: str, protocol: Any) -> int:
        status, body, kind = 200, b'{"status":"alive"}', JSON
        if path == "/metrics":
            body, kind = self._metrics(), _TEXT
        elif path == "/openapi.json":
            self._document = body = self._document or encode(document(ROUTES, __version__))
        elif path == "/v1/about":
            body = encode(
                About(
                    version=__version__,
                    time=time.time(),
                    capabilities=CAPABILITIES,
                    audience=self._gate.audience,
                )
            )
        elif path == "/readyz":
            why = await self._readiness.why_not()
            status, body = 503 if why else 200, encode({"status": why or "ready"})
        protocol.response_bytes(status, kind, body)
        return status

    def _metrics(self) -> bytes:
        objects = self._objects
        door = {
            "transfers_under_way": objects.transfers,
            "bytes_in_total": objects.bytes_in,
            "bytes_out_total": objects.bytes_out,
        }
        return prometheus({**self._desk.readings(), **door}, self._counts)

    def _nowhere(self, method: str, path: str) -> Refusal:
        if allowed := self._methods(path):
            takes = ", ".join(sorted(allowed))
            message = f"{path:.200} takes {takes}, not {method:.20}"
            return Refusal(405, "request.bad-method", message, f"use {takes}")
        return Refusal(404, "request.no-path", f"there is nothing at {path:.200}", "see /openapi.json")

    def _methods(self, path: str) -> set[str]:
        """What may be done at a path."""
        bare = {"GET"} if path in BARE else set()
        return {r.method for r in ROUTES if r.pattern.fullmatch(path)} | self._objects.methods(path) | bare

    def _beside(self, error: Exception, method: str, path: str) -> list[tuple[str, str]]:
        """Headers that go with a refusal."""
        if isinstance(error, Refusal) and error.status == 405:
            return [("allow", ", ".join(sorted(self._methods(path))))]
        return [("connection", "close")] if self._readiness.ending else []


def _decoder(route: Route) -> msgspec.json.Decoder[Any] | None:
    return msgspec.json.Decoder(route.body) if route.body else None


def _query(text: str) -> dict[str, list[str]]:
    try:
        return parse_qs(text, keep_blank_values=True, max_num_fields=10_000)
    except ValueError as error:
        raise Refusal(
            400, "request.malformed", f"the query can't be read: {error}", "ask for less"
        ) from error
