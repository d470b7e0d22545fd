"""What user code prints: whole lines, to the display and to the run's log.

Doesn't know how they are shown.
"""

from __future__ import annotations

import contextlib
import io
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from atoll.journal import Journal, Logged
from atoll.values import AtollError, JournalError, as_text

LEVEL = "output"  # of log lines that were printed


class Lines(io.TextIOBase):
    """A text stream that hands on whole lines."""

    encoding = "utf-8"

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell, self._rest, self._lock = tell, "", threading.RLock()

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        with self._lock:
            *lines, self._rest = (self._rest + text).split("\n")
            for line in lines:
                self._tell(line.rpartition("\r")[2])  # of a progress bar, what it came to
        return len(text)

    def finish(self) -> None:
        """Hand on what has no end of line yet."""
        if self._rest:
            self.write("\n")


@contextlib.contextmanager
def prints_logged(
    journal: Journal, run: str, *, show: Callable[[str], None] = lambda line: None, mend: str
) -> Iterator[None]:
    """While this lasts, printed lines are shown and logged; `breakpoint()` raises, with `mend`, what to do about it."""

    def tell(line: str) -> None:
        show(line)
        with contextlib.suppress(JournalError):  # the run itself will say so
            journal.append(run, Logged(time=time.time(), level=LEVEL, message=as_text(line[:4000])))

    def no_breakpoint(*_: Any, **__: Any) -> NoReturn:
        raise AtollError("run.breakpoint", "breakpoint() needs a terminal for itself", mend)

    before, streams = (sys.stdout, sys.stderr, sys.breakpointhook), (Lines(tell), Lines(tell))
    sys.stdout, sys.stderr, sys.breakpointhook = *streams, no_breakpoint
    try:
        yield
    finally:
        for lines in streams:
            lines.finish()
        sys.stdout, sys.stderr, sys.breakpointhook = before
