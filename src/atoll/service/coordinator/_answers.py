"""How answers leave: messages, and refusals with their status, as JSON.

Doesn't know what was asked.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Sequence
from typing import Any

import msgspec
from granian._granian import RSGIProtocolClosed

from atoll.identity import IdentityError, Stale
from atoll.service.coordinator._refusals import Refusal
from atoll.values import AtollError, DiskFull, JournalError, NotFound, StoreError
from atoll.wire import Problem

log = logging.getLogger("atoll.coordinator")
encode = msgspec.json.Encoder().encode
JSON = [("content-type", "application/json")]
PATIENCE = 120.0  # seconds for a message to come, or for the next megabyte of an object

_STATUS = {
    **dict.fromkeys(
        ("request.no-signature", "request.bad-signature", "request.wrong-audience", "request.stale", "request.replayed",
         "request.body-differs", "identity.unknown-key", "identity.revoked", "identity.expired-credential"), 401),
    **dict.fromkeys(("identity.waiting", "identity.forbidden", "identity.not-authorised"), 403),
    **dict.fromkeys(("identity.token-spent", "identity.name-taken", "identity.rotated"), 409),
    "identity.unknown": 404,
    "request.too-many": 429,
}  # fmt: skip


def refusal(error: Exception) -> Refusal:
    """What an error is for whoever asked."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, IdentityError):
        return Refusal(_STATUS.get(error.code, 400), error.code, error.message, error.mend)
    if isinstance(error, msgspec.MsgspecError | RecursionError | UnicodeError):
        return Refusal(400, "request.malformed", f"the request can't be read: {error}", "see /openapi.json")
    if isinstance(error, DiskFull | JournalError):
        return Refusal(503, error.code, error.message, error.mend, retry=1)
    if isinstance(error, NotFound):
        return Refusal(404, error.code, error.message, error.mend)
    if isinstance(error, StoreError):
        return Refusal(
            400 if error.code == "object.bad-digest" else 409, error.code, error.message, error.mend
        )
    if isinstance(error, AtollError):
        return Refusal(400, error.code, error.message, error.mend)
    log.error("a request failed", exc_info=error)
    return Refusal(
        500, "coordinator.failed", "the coordinator failed; its log tells more", "tell its administrator"
    )


def refuse(protocol: Any, error: Exception, headers: Sequence[tuple[str, str]] = ()) -> int:
    """Answer with a problem; returns the status."""
    found = refusal(error)
    headers = [*JSON, *headers]
    if found.retry:
        headers.append(("retry-after", str(math.ceil(found.retry))))
    if found.status == 401:
        headers.append(("www-authenticate", "Bearer" if found.code == "request.no-token" else "Signature"))
    problem = Problem(code=found.code, message=found.message[:20_000], mend=found.mend)
    if isinstance(error, Stale):
        problem = msgspec.structs.replace(problem, time=error.time)
    protocol.response_bytes(found.status, headers, encode(problem))
    return found.status


async def read(scope: Any, protocol: Any, limit: int, *, patience: float = PATIENCE) -> bytes:
    """A request's body. Raises `Refusal`: before more than the limit is read (413), and when it doesn't come to its end."""
    length = scope.headers.get("content-length")
    if length is not None and not (length.isdigit() and int(length) <= limit):
        raise _too_large(limit)
    try:
        async with asyncio.timeout(patience):
            body: bytes = await (protocol() if length is not None else _counted(protocol, limit))
    except (TimeoutError, RSGIProtocolClosed):
        body = b""
    if length is not None and len(body) < int(length):
        raise Refusal(400, "request.cut-off", "the request ends too early", "send it again")
    return body


async def _counted(protocol: Any, limit: int) -> bytes:
    """A body of unknown length."""
    body = bytearray()
    async for chunk in protocol:
        body += chunk
        if len(body) > limit:
            raise _too_large(limit)
    return bytes(body)


def _too_large(limit: int) -> Refusal:
    return Refusal(
        413, "request.too-large", f"a request of this kind has at most {limit:,} bytes", "send less"
    )
