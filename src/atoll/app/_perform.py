"""Performing one call at a node: seeds, the function, the checks; whatever happens becomes an outcome.

Doesn't know which process it is in.
"""

from __future__ import annotations

import random
import sys
import time
from types import TracebackType

import numpy as np

from atoll.app._apps import ClientApp
from atoll.app._check import objection
from atoll.app._context import Bench, Context
from atoll.app._executor import Broken, Call, Done, Outcome
from atoll.values import AtollError, as_text

_HERE = __file__.rpartition("_perform")[0]


def perform(app: ClientApp, bench: Bench, call: Call, *, fail_fast: bool = False) -> Outcome:
    """Carry a call out. An exception becomes `Broken`, unless it is to be let through (`fail_fast`)."""
    ctx = Context(bench, call.task, node=call.node, round=call.round, seed=call.seed, state=call.state)
    begun = time.perf_counter()
    try:
        _seed_everything(call.seed)
        update = app.handle(call.task, ctx)
        wrong = objection(call.task, update)
    except (Exception, SystemExit) as error:  # a client that calls exit() does not end the run
        if fail_fast:
            raise
        return Broken(call.id, "raised", _in_words(error), _users_traceback(error))
    if wrong:
        if fail_fast:
            raise AtollError("reply.invalid", f"{call.node}: {wrong}", "return what the task asked for")
        return Broken(call.id, "invalid", wrong)
    changed = ctx.state.plain() if ctx.state.changed else None
    return Done(call.id, update, time.perf_counter() - begun, changed)


def _seed_everything(seed: int) -> None:
    """Seed the global generators that user code may draw from; torch's only when somebody imported it."""
    random.seed(seed)
    np.random.seed(seed & 0xFFFFFFFF)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(seed)


def _in_words(error: BaseException) -> str:
    try:
        return as_text(f"{type(error).__name__}: {error}"[:2000])
    except Exception:
        return f"{type(error).__name__} (which can't tell more: its own text raises)"


def _users_traceback(error: BaseException) -> str:
    """The traceback from the user's own function on."""
    import traceback

    frame: TracebackType | None = error.__traceback__
    while frame is not None and frame.tb_next and frame.tb_frame.f_code.co_filename.startswith(_HERE):
        frame = frame.tb_next
    return as_text("".join(traceback.format_exception(type(error), error, frame))[-20_000:])
