"""Saving replies: which are worth it, and how they become events.

Doesn't know what was said before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from atoll.app._task import Failure, Reply, nbytes
from atoll.journal import Accepted, Event, Failed, Shelf
from atoll.values import pack

SAVING_COST = 8  # a reply is saved when making it took this many times as long as saving it
_FIXED, _BYTES_PER_SECOND = 1e-3, 250e6  # what saving costs: a sync, and a slow disk's speed


def accepted(
    round: int,
    ordinal: int,
    reply: Reply,
    payload: Mapping[str, Any],
    state: Mapping[str, Any] | None,
    *,
    virtual_time: float | None = None,
) -> Callable[[Shelf], Event]:
    """What builds the event of an accepted reply, once its arrays are put on a shelf."""
    at = time.time()
    metrics = reply.metrics.plain()  # not the reply itself, which may be let go by then
    fields = (reply.index, reply.node, reply.action, reply.weight, reply.seconds, reply.staleness)

    def build(shelf: Shelf) -> Event:
        index, node, action, weight, seconds, stale = fields
        kept = shelf.put("state", pack(state)) if state is not None else ""
        return Accepted(time=at, round=round, ordinal=ordinal, index=index, node=node, action=action, weight=weight,
                        metrics=metrics, seconds=seconds, payload=shelf.put("reply", pack(payload)), state=kept,
                        staleness=stale, virtual_time=virtual_time)  # fmt: skip

    return build


def failed(
    round: int, ordinal: int, action: str, failure: Failure, *, virtual_time: float | None = None
) -> Failed:
    """The event of a reply that does not count."""
    return Failed(time=time.time(), round=round, ordinal=ordinal, index=failure.index, node=failure.node, action=action,
                  failure=failure.kind, message=failure.message[:4000], traceback=failure.traceback[:20_000],
                  virtual_time=virtual_time)  # fmt: skip


def worth_saving(seconds: float, payload: Mapping[str, Any]) -> bool:
    """Whether keeping a reply is so much cheaper than making it again."""
    return seconds >= SAVING_COST * _FIXED and seconds >= SAVING_COST * (
        _FIXED + nbytes(payload) / _BYTES_PER_SECOND
    )
