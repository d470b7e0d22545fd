"""Performing one call at a node: seeds, the function, the checks; whatever happens becomes an outcome.

Doesn't know which process it is in.
"""

from __future__ import annotations

import time

from atoll.app._apps import ClientApp
from atoll.app._check import invalid, objection
from atoll.app._context import Bench, Context
from atoll.app._executor import Broken, Call, Done, Outcome
from atoll.app._seeding import seed_everything
from atoll.app._traceback import users_traceback
from atoll.values import as_text


def perform(app: ClientApp, bench: Bench, call: Call, *, fail_fast: bool = False) -> Outcome:
    """Carry a call out. An exception becomes `Broken`, unless it is to be let through (`fail_fast`)."""
    ctx = Context(bench, call.task, node=call.node, round=call.round, seed=call.seed, state=call.state)
    begun = time.perf_counter()
    try:
        seed_everything(call.seed)
        update = app.handle(call.task, ctx)
        wrong = objection(call.task, update.payload)
    except (Exception, SystemExit) as error:  # a client that calls exit() does not end the run
        if fail_fast:
            raise
        return Broken(call.id, "raised", _in_words(error), as_text(users_traceback(error)[-20_000:]))
    if wrong:
        if fail_fast:
            raise invalid(call.node, wrong)
        return Broken(call.id, "invalid", wrong)
    changed = ctx.state.plain() if ctx.state.changed else None
    return Done(call.id, update, time.perf_counter() - begun, changed)


def _in_words(error: BaseException) -> str:
    try:
        return as_text(f"{type(error).__name__}: {error}"[:2000])
    except Exception:  # a user's __str__ may do anything
        return f"{type(error).__name__} (which can't tell more: its own text raises)"
