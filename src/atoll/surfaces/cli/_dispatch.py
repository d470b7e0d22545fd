"""Carrying a command out, and telling what went wrong: in words, or as a JSON document.

Doesn't know the commands; each is a function of a module named in the table, imported now.
"""

from __future__ import annotations

import math
import signal
import time
from types import FrameType

from atoll.surfaces.cli._output import Output

BEGUN = time.monotonic()  # when the command began, but for the interpreter's own start
_A_MOMENT = 0.2  # s; nobody presses a key twice as quickly


def dispatch(words: list[str]) -> int:
    """Run a command; returns its exit code."""
    _listen_to_signals()
    out = Output(as_json="--json" in words)
    try:
        return _carry_out(words, out)
    except KeyboardInterrupt:
        out.note("interrupted")
        return 130
    except BrokenPipeError:
        raise
    except Exception as error:  # the last place: a bug is told as one, with its traceback
        return out.error(error)


def _carry_out(words: list[str], out: Output) -> int:
    from importlib import import_module

    from atoll.surfaces.cli._threads import limit_threads, one_thread

    if words[0] in ("run", "resume", "rerun"):
        limit_threads(words[1:])
    else:
        one_thread()
    from atoll.surfaces.cli._parse import parse

    command, values = parse(words)
    if getattr(values, "on", None):
        out.on = f" --on {values.on}"
    module = import_module(f"atoll.surfaces.cli._{command.module}")
    code: int = getattr(module, command.function)(values, out)
    return code


def _listen_to_signals() -> None:
    """End the same way however one is asked to: ^C, `atoll stop`, `kill`, a shell that starts us in the background."""
    interrupt = Interruptions()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)


class Interruptions:
    """Raises `KeyboardInterrupt` for a signal, once for those that come within a moment.

    `timeout` signals its child and then the child's whole group, and a terminal that closes does much the same; the
    second one must not interrupt what the first one began: the noting that the run has stopped.
    """

    def __init__(self) -> None:
        self._last = -math.inf

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if (now := time.monotonic()) - self._last > _A_MOMENT:
            self._last = now
            raise KeyboardInterrupt
