"""A ledger that only clients write, and the gates that keep trainings and answers from ending before their part of the kills.

Doesn't know what is trained, or asked.
"""

import os
import time
from contextlib import contextmanager


def training(ctx):
    """One training, at its round's gate; gives how often this node's training has counted, itself included."""
    return _counted(ctx, ctx.round)


def answering(ctx):
    """One answer where nobody trains, at a gate of its own; gives the number of it among this node's that have counted."""
    return _counted(ctx, ctx.state.get("count", 0) + 1)


@contextmanager
def _counted(ctx, gate):
    """Noted when it begins and ends."""
    count = ctx.state.get("count", 0) + 1
    ctx.state["count"] = count
    _note(ctx, "begin", gate, count)
    if ctx.config.gates:
        os.close(os.open(f"{ctx.config.gates}/{gate}", os.O_RDONLY))
    until = time.perf_counter() + ctx.config.work
    while time.perf_counter() < until:
        pass
    yield count
    _note(ctx, "end", gate, count)


def _note(ctx, what, gate, count):
    """One line, appended by one write; and a ring of the bell, if somebody listens."""
    if ctx.config.ledger:
        file = os.open(ctx.config.ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(file, f"{what} {gate} {ctx.node} {count} {os.getpid()}\n".encode())
        os.close(file)
    if ctx.config.bell:
        try:
            file = os.open(ctx.config.bell, os.O_WRONLY | os.O_NONBLOCK)
            os.write(file, b"\n")
            os.close(file)
        except OSError:
            pass
