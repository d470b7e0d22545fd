"""A worker of a pool: a process that loads an app once and performs calls until it is told to end.

Doesn't know of rounds or other workers. It dies with the process that started it: its pipe ends.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from atoll.app import Bench, Call, ClientApp, Done, Project, Task, perform, resolve
from atoll.journal import Held
from atoll.runtime._arena import Arena, Parcel, opened
from atoll.runtime._messages import (
    Bye,
    Do,
    FromWorker,
    Give,
    Has,
    Hello,
    Line,
    Ready,
    Result,
    ToWorker,
    Trouble,
    Unfit,
    receive_task,
)
from atoll.runtime._noted import Noted
from atoll.runtime._parts import Parts
from atoll.runtime._pipe import Mouth, Printed, end_line, taken_over
from atoll.runtime._threads import limited
from atoll.values import Config, as_text


def main() -> None:
    """Serve the process that started this one, over standard input and output; what is printed is said as lines."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ^C reaches the whole group; the pool decides
    inbox, pipe = taken_over()
    outbox = _Outbox(pipe)
    sys.stdout = Printed(outbox.printed)
    arriving: queue.SimpleQueue[ToWorker] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(inbox, arriving), daemon=True).start()
    hello = arriving.get()
    assert isinstance(hello, Hello)
    with limited(hello.threads):
        try:
            worker = _Worker(hello, outbox)
        except Exception as error:  # whatever the app's import raises, the pool tells
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


class _Outbox(Mouth):
    """What is said to the pool; `place` is the round and the node that are being worked for."""

    place = (0, "")

    def printed(self, text: str) -> None:
        self.say(Line("output", as_text(text), *self.place))


class _Worker:
    def __init__(self, hello: Hello, outbox: _Outbox) -> None:
        self._arena, self._outbox = Arena(Path(hello.arena)), outbox
        folder, config = Path(hello.folder), Config(hello.config)
        self.client: ClientApp = Project(folder, "", "", hello.client, config).client_app()
        source = resolve(hello.data, folder, what="[tool.atoll.simulation] data") if hello.data else None
        parts = Parts(source, hello.partition, hello.nodes, hello.seed)
        self.bench = Bench(config, seed=hello.seed, data=Noted(parts, self._has), log=self._log)
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
            end_line()
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

    def _has(self, node: str, data: Sequence[Held]) -> None:
        self._outbox.say(Has(node, list(data)))

    def _log(self, level: str, message: str, round: int, node: str) -> None:
        self._outbox.say(Line(level, message, round, node))


if __name__ == "__main__":
    main()
