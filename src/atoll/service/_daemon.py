"""What daemons have in common: settings read, signals heard, lines for whoever runs them, an exit status.

Doesn't know which daemon it is, or who wrote the file.
"""

from __future__ import annotations

import datetime
import queue
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import msgspec

from atoll.values import UNREADABLE, AtollError

S = TypeVar("S")


def daemon(what: str, settings: type[S], serve: Callable[[S], None]) -> int:
    """`python -m atoll.service.<what> SETTINGS.json`: be that daemon until it ends; the exit status."""
    if len(sys.argv) != 2:
        print(f"usage: python -m atoll.service.{what} SETTINGS.json", file=sys.stderr)
        return 2
    try:
        serve(msgspec.json.decode(_written(sys.argv[1]), type=settings, dec_hook=_path))
    except (OSError, *UNREADABLE) as error:
        print(f"error: {sys.argv[1]}: {error}", file=sys.stderr)
        return 2
    except AtollError as error:
        print(f"error: {error.message}\n  mend: {error.mend}", file=sys.stderr)
        return error.exit_code
    return 0


def ends_when_asked() -> queue.SimpleQueue[BaseException | None]:
    """A queue that gets None when SIGTERM or ^C asks this process to end; asked again, it ends at once."""
    ends: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()

    def asked(number: int, frame: FrameType | None) -> None:
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_DFL)
        ends.put(None)

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, asked)
    return ends


def warn(text: str) -> None:
    """A line for whoever runs the daemon."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    print(f"{now} {text}", file=sys.stderr, flush=True)


def _written(name: str) -> bytes:
    """What a file says; of standard input its first line."""
    return sys.stdin.buffer.readline() if name == "-" else Path(name).read_bytes()


def _path(kind: type[Any], value: Any) -> Any:
    return Path(value) if kind is Path else value
