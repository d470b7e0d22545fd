"""Types commands quickly: a process that has read all that commands read becomes each of them, so that nobody waits for that again.

What a command does, says and leaves is its own: it has the environment, the folder and the files of whoever typed it, and
ends as any process does; its clock is off by what its environment says (`clock`). Doesn't type what goes on while others do
something: daemons, and commands that wait for somebody or are killed.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path

import atoll

CLOCK = Path(__file__).parent / "clock"


class Typist:
    """Somebody who types one command after the other."""

    def __init__(self) -> None:
        self._door, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        source = f"{CLOCK}:{Path(atoll.__file__).parents[1]}"
        # the libraries have one thread each, as nothing that has more can be forked
        env = {**os.environ, "PYTHONPATH": source, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, str(Path(__file__)), str(theirs.fileno())]
        self._process = subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], start_new_session=True
        )
        theirs.close()

    def type(
        self, words: tuple[str, ...], env: Mapping[str, str], folder: Path, *, timeout: float
    ) -> tuple[int, str, str]:
        """A command's exit code, and what it said on standard output and on standard error."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            asked = json.dumps([words, dict(env), str(folder)]).encode()
            socket.send_fds(self._door, [asked], [out.fileno(), err.fileno()])
            self._door.settimeout(timeout)
            try:
                code = int(self._door.recv(100))
            except BaseException as error:  # nobody waits for its end any more
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
                error.add_note(f"{words} said:\n{_read(out.fileno())}\n{_read(err.fileno())}")
                raise
            return code, _read(out.fileno()), _read(err.fileno())


def typed(
    words: tuple[str, ...], env: Mapping[str, str], folder: Path, *, timeout: float
) -> tuple[int, str, str]:
    """Type a command: its exit code, and what it said on standard output and on standard error."""
    typist = _IDLE.pop() if _IDLE else Typist()
    done = typist.type(words, env, folder, timeout=timeout)
    _IDLE.append(typist)
    return done


_IDLE: list[Typist] = []  # a command that is under way meanwhile has another


def _read(file: int) -> str:
    size = os.fstat(file).st_size
    return os.pread(file, size, 0).decode()


def become(door: socket.socket) -> list[str]:
    """Return in a process of its own for every command, with its words; end when nobody is there any more."""
    while True:
        asked, files, _, _ = socket.recv_fds(door, 1 << 17, 2)
        if not asked:
            sys.exit()
        words, env, folder = json.loads(asked)
        if (child := os.fork()) == 0:
            door.close()
            for number, file in enumerate(files, 1):
                os.dup2(file, number)
                os.close(file)
            os.environ.clear()
            os.environ.update(env)
            os.chdir(folder)
            return list(words)
        for file in files:
            os.close(file)
        _, status = os.waitpid(child, 0)
        door.send(str(os.waitstatus_to_exitcode(status)).encode())


def read_all() -> None:
    """What commands read before they do anything."""
    import pkgutil
    from importlib import import_module

    import atoll.surfaces.cli
    from atoll import app, identity, journal, wire

    for room in (app, identity, journal, wire):
        for name in room.__all__:
            getattr(room, name)
    for module in pkgutil.iter_modules(atoll.surfaces.cli.__path__, "atoll.surfaces.cli."):
        if not module.ispkg:
            import_module(module.name)


def end(code: int) -> None:
    """End a command as Python does, but for taking apart what was read: most of a short command's time would go by with that."""
    if threading.active_count() > 1:
        sys.exit(code)
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    read_all()
    gc.freeze()
    words = become(socket.socket(fileno=int(sys.argv[1])))
    import atoll.__main__

    sys.argv = [str(atoll.__main__.__file__), *words]
    sys.path[0] = os.getcwd()
    end(atoll.__main__.main(words))
