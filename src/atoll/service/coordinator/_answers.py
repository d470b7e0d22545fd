"""How answers leave: messages, and refusals with their status, as JSON.

Doesn't know what was asked.
"""

from __future__ import annotations

import logging
from typing import Any

import msgspec

from atoll.service.coordinator._refusals import Refusal
from atoll.values import AtollError, DiskFull, JournalError, NotFound, StoreError
from atoll.wire import Problem

log = logging.getLogger("atoll.coordinator")
encode = msgspec.json.Encoder().encode
JSON = [("content-type", "application/json")]


def refusal(error: Exception) -> Refusal:
    """What an error is for whoever asked."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, msgspec.MsgspecError | RecursionError):
        return Refusal(400, "request.malformed", f"the request can't be read: {error}", "see /openapi.json")
    if isinstance(error, DiskFull | JournalError):
        return Refusal(503, error.code, error.message, error.mend, retry=1)
    if isinstance(error, NotFound):
        return Refusal(404, error.code, error.message, error.mend)
    if isinstance(error, StoreError):
        return Refusal(409, error.code, error.message, error.mend)
    if isinstance(error, AtollError):
        return Refusal(400, error.code, error.message, error.mend)
    log.error("a request failed", exc_info=error)
    return Refusal(
        500, "coordinator.failed", "the coordinator failed; its log tells more", "tell its administrator"
    )


def refuse(protocol: Any, error: Exception) -> None:
    """Answer with a problem."""
    found = refusal(error)
    headers = [*JSON, ("retry-after", f"{found.retry:g}")] if found.retry else JSON
    problem = Problem(code=found.code, message=found.message[:20_000], mend=found.mend)
    protocol.response_bytes(found.status, headers, encode(problem))
