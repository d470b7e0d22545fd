"""What daemons have in common: settings read, signals heard, lines for whoever runs them, an exit status.

Doesn't know which daemon it is, or who wrote the file.
"""

from __future__ import annotations

import contextlib
import datetime
import signal
import socket
import sys
from collections import deque
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


class Ends:
    """Why this process is to end: None when SIGTERM or ^C asks for it, or what went wrong. Asked again, it ends at once.

    The main thread waits for it on a socket that a signal writes to: whichever thread the system gives the signal to, the
    main one wakes, which alone may act on it.
    """

    def __init__(self) -> None:
        self._reasons: deque[BaseException | None] = deque()
        self._woken, self._waking = socket.socketpair()
        self._waking.setblocking(False)
        signal.set_wakeup_fd(self._waking.fileno(), warn_on_full_buffer=False)
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, self._asked)

    def put(self, why: BaseException | None) -> None:
        """End, from any thread."""
        self._reasons.append(why)
        with contextlib.suppress(BlockingIOError):  # so many wake-ups wait that one more tells nothing
            self._waking.send(b"\0")

    def get(self) -> BaseException | None:
        """Wait for the next reason."""
        while not self._reasons:
            self._woken.recv(64)
        return self._reasons.popleft()

    def _asked(self, number: int, frame: FrameType | None) -> None:
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_DFL)
        self.put(None)


def once(ready: Callable[[], None]) -> Callable[[], None]:
    """What is welcome again after a while has been ready before: it is told the first time alone."""
    told: list[bool] = []

    def tell() -> None:
        if not told:
            told.append(True)
            ready()

    return tell


def warn(text: str) -> None:
    """A line for whoever runs the daemon."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    print(f"{now} {text}", file=sys.stderr, flush=True)


def _written(name: str) -> bytes:
    """What a file says; of standard input its first line."""
    return sys.stdin.buffer.readline() if name == "-" else Path(name).read_bytes()


def _path(kind: type[Any], value: Any) -> Any:
    return Path(value) if kind is Path else value
