"""A ledger that only clients write, and the gates that keep a round's trainings from ending before its part of the kills.

Doesn't know what is trained.
"""

import os
import time
from contextlib import contextmanager


@contextmanager
def training(ctx):
    """One training: noted when it begins and ends; gives how often this node's training has counted, itself included."""
    count = ctx.state.get("count", 0) + 1
    ctx.state["count"] = count
    _note(ctx, "begin", count)
    if ctx.config.gates:
        os.close(os.open(f"{ctx.config.gates}/{ctx.round}", os.O_RDONLY))
    until = time.perf_counter() + ctx.config.work
    while time.perf_counter() < until:
        pass
    yield count
    _note(ctx, "end", count)


def _note(ctx, what, count):
    """One line, appended by one write; and a ring of the bell, if somebody listens."""
    if ctx.config.ledger:
        file = os.open(ctx.config.ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(file, f"{what} {ctx.round} {ctx.node} {count} {os.getpid()}\n".encode())
        os.close(file)
    if ctx.config.bell:
        try:
            file = os.open(ctx.config.bell, os.O_WRONLY | os.O_NONBLOCK)
            os.write(file, b"\n")
            os.close(file)
        except OSError:
            pass
