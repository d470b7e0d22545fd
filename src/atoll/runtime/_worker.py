"""A worker of a pool: a process that loads an app once and performs calls until it is told to end.

Doesn't know of rounds or other workers. It dies with the process that started it: its pipe ends.
"""

from __future__ import annotations

import io
import os
import queue
import signal
import sys
import threading
from pathlib import Path
from typing import Any, BinaryIO

from atoll.app import Bench, Call, ClientApp, Done, Project, Task, perform, resolve
from atoll.runtime._arena import Arena, Parcel, opened
from atoll.runtime._messages import (
    Bye,
    Do,
    FromWorker,
    Give,
    Hello,
    Line,
    Ready,
    Result,
    ToWorker,
    Trouble,
    Unfit,
    receive_task,
    send,
)
from atoll.runtime._parts import Parts
from atoll.runtime._threads import limited
from atoll.values import Config, as_text


def main() -> None:
    """Serve the process that started this one, over standard input and output; what is printed is said as lines."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ^C reaches the whole group; the pool decides
    inbox, outbox = os.fdopen(os.dup(0), "rb"), _Outbox(os.fdopen(os.dup(1), "wb"))
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdout = _Printed(outbox)
    arriving: queue.SimpleQueue[ToWorker] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(inbox, arriving), daemon=True).start()
    hello = arriving.get()
    assert isinstance(hello, Hello)
    with limited(hello.threads):
        try:
            worker = _Worker(hello, outbox)
        except Exception as error:
            import traceback

            outbox.say(Unfit(str(error), traceback.format_exc()[-20_000:]))
            return
        with worker.client.alive(worker.bench), limited(hello.threads):
            outbox.say(Ready())
            while not isinstance(message := arriving.get(), Bye):
                worker.take(message)


def _listen(inbox: BinaryIO, arriving: queue.SimpleQueue[ToWorker]) -> None:
    while (message := receive_task(inbox)) is not None:
        arriving.put(message)
    os._exit(1)  # the pool is gone, whatever this process is doing


class _Outbox:
    """The pipe to the pool, for any thread; `place` is the round and the node that are being worked for."""

    def __init__(self, pipe: BinaryIO) -> None:
        self._pipe, self._lock = pipe, threading.Lock()
        self.place = (0, "")

    def say(self, message: FromWorker) -> None:
        with self._lock:
            send(self._pipe, message)

    def line(self, level: str, text: str) -> None:
        self.say(Line(level, as_text(text), *self.place))


class _Printed(io.TextIOBase):
    """Standard output of user code: each line is said before the result of the task that printed it."""

    encoding = "utf-8"

    def __init__(self, outbox: _Outbox) -> None:
        self._outbox, self._begun = outbox, ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self._outbox.line("output", line)
        return len(text)

    def end(self) -> None:
        """Say what was printed without an end of line."""
        if self._begun:
            self.write("\n")


class _Worker:
    def __init__(self, hello: Hello, outbox: _Outbox) -> None:
        self._arena, self._outbox = Arena(Path(hello.arena)), outbox
        folder, config = Path(hello.folder), Config(hello.config)
        self.client: ClientApp = Project(folder, "", "", hello.client, config).client_app()
        source = resolve(hello.data, folder, what="[tool.atoll.simulation] data") if hello.data else None
        parts = Parts(source, hello.partition, hello.nodes, hello.seed)
        self.bench = Bench(config, seed=hello.seed, data=parts, log=self._log)
        self._tasks: dict[int, Task] = {}

    def take(self, message: ToWorker) -> None:
        if isinstance(message, Give):
            for key in message.forget:
                del self._tasks[key]
            payload = opened(message.payload, once=False)
            self._tasks[message.key] = Task(message.action, payload, message.config, message.alike)
        elif isinstance(message, Do):
            self._outbox.place = (message.round, message.node)
            result = self._done(message)
            if isinstance(sys.stdout, _Printed):  # user code may have put its own in its place
                sys.stdout.end()
            self._outbox.say(result)

    def _done(self, do: Do) -> FromWorker:
        state = opened(do.state, once=True)
        call = Call(do.id, do.node, self._tasks[do.key], do.round, do.ordinal, do.seed, state)
        outcome = perform(self.client, self.bench, call)
        if not isinstance(outcome, Done):
            return Trouble(do.id, outcome.kind, outcome.message, outcome.traceback)
        update = outcome.update
        return Result(do.id, update.weight, update.metrics.plain(), outcome.seconds, self._parcel(update.payload, f"reply-{do.id}", do.over),
                      None if outcome.state is None else self._parcel(outcome.state, f"state-{do.id}"))  # fmt: skip

    def _parcel(self, payload: Any, name: str, over: str = "") -> Parcel:
        return self._arena.put(payload, f"{name}-{os.getpid()}", over=over) if payload else Parcel()

    def _log(self, level: str, message: str, round: int, node: str) -> None:
        self._outbox.say(Line(level, message, round, node))


if __name__ == "__main__":
    main()
