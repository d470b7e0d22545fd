"""A worker of a node: a process that loads a run's app once and performs the calls that it is given.

Doesn't know of the network, or what becomes of its answers. It dies with the process that started it: its pipe ends.
"""

from __future__ import annotations

import os
import platform
import queue
import signal
import sys
import threading
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from atoll._version import __version__
from atoll.app import Bench, Call, ClientApp, Done, Project, Task, perform
from atoll.runtime import Mouth, Printed, end_line, limited, receive, taken_over, versions
from atoll.service.workshop._data import Site
from atoll.service.workshop._files import Spool, opener
from atoll.service.workshop._messages import (
    VERSION,
    Begin,
    Bye,
    Did,
    Failed,
    Give,
    Ready,
    Said,
    ToWorker,
    Unfit,
    to_worker,
)
from atoll.service.workshop._telling import Telling
from atoll.values import AtollError, Config, as_text, map_file, unpack
from atoll.wire import Offer, join, split

_LINE = 4000  # characters of one line for the log


def main() -> None:
    """Serve the process that started this one, over standard input and output; what is printed is said as lines."""
    inbox, pipe = taken_over()
    mouth = _Mouth(pipe)
    sys.stdout = Printed(mouth.printed)
    arriving: queue.SimpleQueue[ToWorker] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(inbox, arriving), daemon=True).start()
    begin = arriving.get()
    assert isinstance(begin, Begin)
    assert begin.version == VERSION
    os.chdir(begin.folder)
    os.environ.update(begin.variables)
    with limited(begin.spec.threads):
        try:
            worker = _Worker(begin, mouth)
            ready = worker.ready()
        except Exception as error:  # whatever the app's import raises, the node tells
            mouth.say(_unfit(error))
            return
        with worker.client.alive(worker.bench), limited(begin.spec.threads):
            mouth.say(ready)
            while not isinstance(message := arriving.get(), Bye):
                assert isinstance(message, Give)
                worker.take(message)


def _listen(inbox: BinaryIO, arriving: queue.SimpleQueue[ToWorker]) -> None:
    while (body := receive(inbox)) is not None:
        arriving.put(to_worker.decode(body))
    if os.name == "posix" and os.getpgrp() == os.getpid():  # what user code started ends as well
        os.killpg(0, signal.SIGKILL)
    os._exit(1)  # the daemon is gone, whatever this process is doing


def _unfit(error: Exception) -> Unfit:
    import traceback

    trace = as_text("".join(traceback.format_exception(error))[-20_000:])
    if isinstance(error, AtollError):
        return Unfit(as_text(error.message), trace, error.code, as_text(error.mend))
    return Unfit(as_text(f"{type(error).__name__}: {error}"[:2000]), trace)


class _Mouth(Mouth):
    """What is said to the daemon; `round` is the one that is being worked for."""

    round: int | None = None

    def printed(self, text: str) -> None:
        self.line("output", text)

    def line(self, level: str, text: str) -> None:
        self.say(Said(level[:16], as_text(text)[:_LINE], self.round))


class _Worker:
    def __init__(self, begin: Begin, mouth: _Mouth) -> None:
        spec, self._node, self._mouth, self._check = begin.spec, begin.node, mouth, begin.check
        folder, config = Path(begin.folder), Config(spec.config)
        self.client: ClientApp = Project(folder, "", "", spec.client, config).client_app()
        self._site = Site(begin.data, folder, spec)
        self.bench = Bench(
            config,
            seed=spec.seed,
            data=self._site,
            log=lambda level, text, round, node: mouth.line(level, text),
            site=Config(begin.site),
        )
        self._open = opener(Path(begin.objects))
        self._spool = Spool(Path(begin.spool), mouth.line)
        self._telling = Telling(begin.tell, bytes.fromhex(begin.salt))

    def ready(self) -> Ready:
        """What this process works with. With `check`, every data set has been opened."""
        if self._check:
            sets = self._site(self._node)
            for name in sets:
                sets[name]
        return Ready(versions(), sorted(self._site.names()))

    def take(self, message: Give) -> None:
        """Perform a call and say what came of it."""
        self._mouth.round = message.offer.round
        told = self._done(message.offer, message.state)
        end_line()
        self._mouth.say(told)

    def _done(self, offer: Offer, state: str) -> Did | Failed:
        try:
            task = Task(offer.action, join(offer.task, self._open), offer.config, offer.alike)
            before = unpack(map_file(Path(state))[0]) if state else {}
        except (AtollError, OSError) as error:
            return Failed(offer.key, "lost", as_text(f"the task can't be opened here: {error}"[:2000]))
        call = Call(0, self._node, task, offer.round, offer.ordinal, offer.seed, before)
        outcome = perform(self.client, self.bench, call)
        if not isinstance(outcome, Done):
            return Failed(offer.key, outcome.kind, outcome.message, outcome.traceback)
        return self._kept(offer.key, outcome)

    def _kept(self, key: str, done: Done) -> Did | Failed:
        try:
            payload, blobs = split(done.update.payload)
        except AtollError as error:
            return Failed(key, "invalid", as_text(str(error)[:2000]))
        files, state = self._spool.keep(blobs, done.state)
        data, versions = self._telling.more(self._site.opened())
        metrics = done.update.metrics.plain()
        return Did(key, done.update.weight, metrics, done.seconds, payload, files, state, data, versions)


def _versions() -> dict[str, str]:
    loaded: dict[str, Any] = {"torch": sys.modules.get("torch")}
    found = {name: str(getattr(m, "__version__", "")) for name, m in loaded.items() if m is not None}
    return {"atoll": __version__, "python": platform.python_version(), "numpy": np.__version__, **found}


if __name__ == "__main__":
    main()
