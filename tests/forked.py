"""Processes that begin with their imports done: one process makes them once, and each of the others is a fork of it.

Doesn't know what they do: a script does, in its `main`.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class Forked:
    """One of them; it stays to be waited for, so that its number is nobody else's."""

    def __init__(self, ready: Ready, pid: int) -> None:
        self.pid, self._ready = pid, ready
        self._end = os.pidfd_open(pid)

    def fileno(self) -> int:
        """Readable when it has ended."""
        return self._end

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def wait(self, seconds: float) -> int:
        """How it ended: its exit status, or less than 0 by a signal."""
        if not select.select([self], [], [], seconds)[0]:
            self.kill()
            self._ready.ask({"wait": self.pid})
            raise TimeoutError(f"it did not end within {seconds:g} s")
        code = int(self._ready.ask({"wait": self.pid}))
        os.close(self._end)
        return code


@dataclass(frozen=True)
class Ready:
    """The process that has the imports of a script, and forks."""

    child: subprocess.Popen[str]

    def start(self, *words: str, errors: Path, failpoint: str = "", **environment: str) -> Forked:
        """Begin the script's `main`; what it prints goes to `errors`."""
        environment = {**environment, "ATOLL_FAILPOINT": failpoint}
        return Forked(
            self, self.ask({"words": words, "errors": str(errors.absolute()), "environment": environment})
        )

    def ask(self, what: dict[str, Any]) -> int:
        assert self.child.stdin
        assert self.child.stdout
        self.child.stdin.write(json.dumps(what) + "\n")
        self.child.stdin.flush()
        return int(self.child.stdout.readline())


@contextlib.contextmanager
def ready(script: Path) -> Iterator[Ready]:
    """A process that has the imports of a script."""
    command = [sys.executable, __file__, str(script)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        yield Ready(child)
        assert child.stdin
        child.stdin.close()


def _fork(what: Any) -> bool:
    """Whether this is the new process."""
    if pid := os.fork():
        print(pid, flush=True)
        return False
    sys.stdin.close()
    with open(what["errors"], "ab") as errors:
        os.dup2(errors.fileno(), 2)
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.update(what["environment"])
    from atoll.values import _failpoints

    importlib.reload(_failpoints)
    return True


def _serve(main: Any) -> None:
    for line in sys.stdin:
        what = json.loads(line)
        if "wait" in what:
            print(os.waitstatus_to_exitcode(os.waitpid(what["wait"], 0)[1]), flush=True)
        elif _fork(what):
            main(*what["words"])
            return


if __name__ == "__main__":
    sys.path.insert(0, str(Path(sys.argv[1]).parent))
    _serve(importlib.import_module(Path(sys.argv[1]).stem).main)
