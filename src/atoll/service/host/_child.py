"""One server app's process, seen from its host: prepared, started, asked to stop, its end told.

Doesn't know what the program says to the coordinator.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from atoll.service.host._settings import CUT_OFF, FENCED, STOP, Order
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
    """A program from the order to start it to its end; `ended` is called from a thread of its own."""

    def __init__(
        self, order: Order, folder: Path, prepare: Callable[[], Prepared], ended: Callable[[Child, End], None]
    ) -> None:
        self.run, self._order, self._folder = order.spec.run, order, folder
        self._prepare, self._ended = prepare, ended
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
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
                _kill(self._process)

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
        return End(how, 0 if code in (FENCED, CUT_OFF) else code, "".join(self._said)[-20_000:])

    def _start(self, prepared: Prepared) -> subprocess.Popen[bytes] | None:
        self._folder.mkdir(parents=True, exist_ok=True)
        order = msgspec.structs.replace(
            self._order, folder=str(prepared.folder), cache=str(self._folder / "objects")
        )
        with self._lock:
            if self._stopping or self._killed:
                return None
            process = self._process = subprocess.Popen(
                prepared.command("atoll.service.host.program"),
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=self._folder,
                env=prepared.surroundings(order.spec.threads), **_apart(),
            )  # fmt: skip
            assert process.stdin is not None
            with contextlib.suppress(OSError):  # its end tells
                process.stdin.write(msgspec.json.encode(order) + b"\n")
                process.stdin.flush()
            return process

    def _ask(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        with contextlib.suppress(OSError):
            process.stdin.write(STOP)
            process.stdin.flush()


def _apart() -> dict[str, Any]:
    """A group of its own: ^C at the host's terminal is the host's affair."""
    if _POSIX:
        return {"start_new_session": True}
    return {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        if _POSIX:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
