"""Orders: what a user signs, so that the nodes of a federation do what they asked for, and nothing else in their name.

Doesn't know who carries it. Nodes compare it with what the coordinator tells them of the run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from msgspec.structs import replace

from atoll.identity import Key, RunOrder, sign
from atoll.values import new_run_id
from atoll.wire import CHECK, Check, NewRun, Order, settings_of_app

RUN = (
    7 * 24 * 3600
)  # seconds within which a node has to have heard of a run; then it goes on for as long as it takes
PREFLIGHT = 24 * 3600  # so much, because clocks differ

Asked = TypeVar("Asked", NewRun, Check)


def ordered(asked: Asked, key: Path, *, now: Callable[[], float] = time.time) -> Asked:
    """A request for a run or a preflight, with an order by the key in that file.

    Raises `IdentityError`: what `Key.load` does, and `identity.not-canonical` for a config that can't be signed.
    """
    begins = isinstance(asked, NewRun)
    id = asked.id or (new_run_id() if begins else f"{CHECK}{new_run_id()}")
    issued = int(now())
    app = {name: asked.app.get(name) for name in ("client", "server", "data", "partition")}
    settings = settings_of_app(
        app,
        config=asked.config,
        seed=asked.seed if isinstance(asked, NewRun) else 0,
        threads=asked.threads,
        needs=asked.needs,
    )
    said = RunOrder(
        run=id,
        federation=asked.federation,
        bundle=asked.bundle,
        settings=settings,
        issued=issued,
        expires=issued + (RUN if begins else PREFLIGHT),
        nodes=tuple(asked.nodes) if isinstance(asked, NewRun) else (),
    )
    signed = sign(said, Key.load(key))
    order = Order(kind=signed.kind, body=signed.body, by=signed.by, signature=signed.signature)
    return replace(asked, id=id, order=order)
