"""One server app's process, seen from its host: prepared, started, asked to stop, its end told.

Doesn't know what the program says to the coordinator.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from atoll.service.host._settings import CUT_OFF, FENCED, STOP, STOPPED, Order
from atoll.service.host._starting import Process, Starting, kill
from atoll.service.workshop import Prepared

GRACE = 10.0  # seconds from being asked to stop to being killed
_LINES = 200  # of what it says last, kept for the case that it dies
_POSIX = os.name == "posix"


class End(NamedTuple):
    """How a program ended: in words, as an exit status, and what it said last. A status over 0 is its own fault."""

    how: str
    code: int
    output: str


class Child:
    """A program from the order to start it to its end; `ended` is called from a thread of its own.

    `seed`: of the key that drives the run, asked for once it is prepared.
    """

    def __init__(
        self,
        order: Order,
        folder: Path,
        *,
        prepare: Callable[[], Prepared],
        seed: Callable[[], str] = lambda: "",
        starting: Starting,
        ended: Callable[[Child, End], None],
    ) -> None:
        self.run, self.since, self._order, self._folder = order.spec.run, order.spec.since, order, folder
        self._prepare, self._seed, self._starting, self._ended = prepare, seed, starting, ended
        self._lock = threading.Lock()
        self._process: Process | None = None
        self._stopping = self._killed = False
        self.over = False
        self._said: deque[str] = deque(maxlen=_LINES)
        threading.Thread(target=self._live, name=f"program {self.run}", daemon=True).start()

    def stop(self) -> None:
        """Ask it to end; after a while it is killed."""
        with self._lock:
            if self._stopping:
                return
            self._stopping = True
            if self._process is not None:
                self._ask(self._process)
        timer = threading.Timer(GRACE, self.kill)
        timer.daemon = True
        timer.start()

    def kill(self) -> None:
        """End it at once, and what it started."""
        with self._lock:
            self._killed = True
            if self._process is not None and self._process.poll() is None:
                kill(self._process)

    def _live(self) -> None:
        end = self._whole_life()
        shutil.rmtree(self._folder, ignore_errors=True)
        self.over = True
        self._ended(self, end)

    def _whole_life(self) -> End:
        try:
            prepared = self._prepare()
            process = self._start(prepared)
        except Exception as error:  # an app that is unfit has told so in its journal: this machine is
            return End(f"it could not be started: {error}", 0, "")
        if process is None:
            return End("it was stopped before it began", -signal.SIGTERM, "")
        assert process.stderr is not None
        for raw in process.stderr:
            self._said.append(raw.decode(errors="replace"))
        code = process.wait()
        if _POSIX:
            with contextlib.suppress(OSError):  # what it left behind
                os.killpg(process.pid, signal.SIGKILL)
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
        faultless = code in (STOPPED, FENCED, CUT_OFF)  # a run that was stopped may have been resumed by now
        return End(how, 0 if faultless else code, "".join(self._said)[-20_000:])

    def _start(self, prepared: Prepared) -> Process | None:
        self._folder.mkdir(parents=True, exist_ok=True)
        order = msgspec.structs.replace(
            self._order, folder=str(prepared.folder), work=str(self._folder), seed=self._seed()
        )
        with self._lock:
            if self._stopping or self._killed:
                return None
            process = self._process = self._starting.process(prepared, order.spec.threads)
            assert process.stdin is not None
            with contextlib.suppress(OSError):  # its end tells
                process.stdin.write(msgspec.json.encode(order) + b"\n")
                process.stdin.flush()
            return process

    def _ask(self, process: Process) -> None:
        assert process.stdin is not None
        with contextlib.suppress(OSError):
            process.stdin.write(STOP)
            process.stdin.flush()
