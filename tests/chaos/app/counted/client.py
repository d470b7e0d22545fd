"""A client whose update depends on all that a fault could spoil, and that notes each training in a ledger of its own."""

import os
import time

import atoll

app = atoll.ClientApp()


@app.train
def train(model, ctx):
    """The update holds the model, the draw of this (round, call, node), and how often this node's training has counted."""
    count = ctx.state.get("count", 0) + 1
    ctx.state["count"] = count
    note(ctx, "begin", count)
    if ctx.config.gates:  # a round's is opened when its part of the kills is done
        os.close(os.open(f"{ctx.config.gates}/{ctx.round}", os.O_RDONLY))
    until = time.perf_counter() + ctx.config.work
    while time.perf_counter() < until:
        pass
    values = 0.9 * model["w"] + ctx.rng.standard_normal(len(model["w"])).astype("f4") + count
    ctx.log(f"trained {count} times")
    note(ctx, "end", count)
    return atoll.Update(
        atoll.Arrays(w=values.astype("f4")), weight=1 + int(ctx.node[-1]), metrics={"count": count}
    )


def note(ctx, what, count):
    """One line, appended by one write."""
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
            pass  # nobody listens
