"""An executor over a pool of processes that keep the app and the model alive between calls.

Doesn't know of rounds or schedules. A worker that dies is replaced and its call given out again.
"""

from __future__ import annotations

import queue
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from atoll.app import Broken, Call, Done, Outcome, Record, Update
from atoll.data import Partition, describe_partition
from atoll.runtime._arena import Arena, Parcel
from atoll.runtime._messages import VERSION, FromWorker, Has, Hello, Line, Ready, Result, Unfit
from atoll.runtime._noted import Tell
from atoll.runtime._process import Process
from atoll.runtime._seat import Seat, Tasks
from atoll.values import ConfigError, Metrics, RunError

if TYPE_CHECKING:
    from atoll.runtime._simulate import AppRef

DEATHS = 10  # of workers with one call in hand, before the call is given up
DEPTHS = (
    (0.001, 8),
    (0.005, 2),
)  # calls shorter than so many seconds are sent so many at a time, to hide the way there


class Pool:
    """So many workers, started at once; calls may be given before they are ready."""

    def __init__(
        self,
        hello: Callable[[Arena], Hello],
        *,
        workers: int,
        log: Callable[[str, str, int | None, str], None],
        held: Tell,
    ) -> None:
        self._arena = Arena()
        self._held = held
        self._hello, self._log = hello(self._arena), log
        self._inbox: queue.SimpleQueue[tuple[Process, FromWorker | None]] = queue.SimpleQueue()
        self._waiting: deque[Call] = deque()
        self._deaths: dict[int, int] = {}
        self._tasks = Tasks(self._arena)
        self._typical = 1.0  # seconds a call takes
        self._still_births = 0
        self._seats = [Seat(self._start(), self._tasks) for _ in range(workers)]

    @classmethod
    def starter(
        cls,
        ref: AppRef,
        record: Record,
        *,
        partition: Partition | Mapping[str, Any] | None,
        workers: int,
        threads: int,
    ) -> Callable[[], Pool]:
        """A function that starts a pool for a run."""
        created, plain = record.created, _plain(partition)

        def hello(arena: Arena) -> Hello:
            return Hello(VERSION, str(arena.folder), str(ref.folder), ref.client, ref.data, plain, created.nodes, created.seed,
                         created.config, threads)  # fmt: skip

        return lambda: cls(hello, workers=workers, log=record.log, held=record.held)

    @property
    def capacity(self) -> int:
        return len(self._seats) * self._depth

    @property
    def ready(self) -> bool:
        """Whether any worker has loaded the app. Raises `RunError` when none can."""
        while not self._inbox.empty():
            self._take(*self._inbox.get())
        return any(seat.ready for seat in self._seats)

    def start(self, call: Call) -> None:
        self._waiting.append(call)
        self._fill()

    def wait(self) -> list[Outcome]:
        outcomes: list[Outcome] = []
        while not outcomes:
            self._fill()
            try:
                outcomes += self._take(*self._inbox.get(timeout=self._patience()))
            except queue.Empty:
                outcomes += self._expire()
            while not self._inbox.empty():
                outcomes += self._take(*self._inbox.get())
        return outcomes

    def cancel(self, ids: Iterable[int]) -> set[int]:
        unwanted = set(ids)
        forgotten = {c.id for c in self._waiting if c.id in unwanted}
        self._waiting = deque(c for c in self._waiting if c.id not in forgotten)
        return forgotten

    def close(self) -> None:
        for seat in self._seats:
            seat.process.end(kill=bool(seat.calls))
        for seat in self._seats:
            seat.process.join()
        self._arena.close()

    @property
    def _depth(self) -> int:
        return next((depth for seconds, depth in DEPTHS if self._typical < seconds), 1)

    def _start(self) -> Process:
        process = Process(
            self._inbox.put, threads=self._hello.threads, log=lambda line: self._inbox.put((process, line))
        )
        process.send(self._hello)
        return process

    def _fill(self) -> None:
        for depth in range(1, self._depth + 1):
            for seat in self._seats:
                if self._waiting and seat.ready and len(seat.calls) < depth:
                    seat.give(self._waiting.popleft())

    def _seat(self, process: Process) -> Seat | None:
        return next((s for s in self._seats if s.process is process), None)

    def _take(self, process: Process, message: FromWorker | None) -> list[Outcome]:
        seat = self._seat(process)
        if isinstance(message, Line):
            self._log(message.level, message.message, message.round or None, message.node)
        elif isinstance(message, Has):
            self._held(message.node, message.data)
        elif seat is None:  # of a worker that was replaced
            return []
        elif message is None:
            return self._replace(seat)
        elif isinstance(message, Ready):
            seat.ready = True
        elif isinstance(message, Unfit):
            raise RunError(
                "worker.unfit",
                f"a worker can't load the app: {message.message}",
                "see whether it loads: atoll run --workers 0",
            )
        else:
            return [self._outcome(seat, message)]
        return []

    def _outcome(self, seat: Seat, message: Any) -> Outcome:
        call = seat.finish(message.payload if isinstance(message, Result) else Parcel())
        self._deaths.pop(call.id, None)
        if not isinstance(message, Result):
            return Broken(message.id, message.kind, message.message, message.traceback)
        self._typical += 0.2 * (message.seconds - self._typical)
        update = Update(weight=message.weight, metrics=Metrics(message.metrics))
        update.payload = self._arena.take(message.payload)
        return Done(
            message.id,
            update,
            message.seconds,
            None if message.state is None else self._arena.take(message.state),
        )

    def _replace(self, seat: Seat) -> list[Outcome]:
        """A worker died: its call is tried again elsewhere, ten times at most; what it had not begun goes back in line."""
        how = seat.process.how_it_ended()
        self._still_births = 0 if seat.ready else self._still_births + 1
        if self._still_births >= DEATHS:
            raise RunError(
                "worker.unfit",
                f"{DEATHS} workers died before they were ready ({how})",
                "see whether the app loads: atoll run --workers 0",
            )
        calls, outcomes = seat.leave(), []
        if calls:
            head = calls[0]
            self._deaths[head.id] = self._deaths.get(head.id, 0) + 1
            if self._deaths[head.id] >= DEATHS:
                outcomes.append(
                    Broken(head.id, "lost", f"its process died {DEATHS} times, the last time {how}")
                )
                del self._deaths[head.id]
                calls = calls[1:]
            else:
                self._log("warning", f"a worker died ({how}); its task is tried again", head.round, head.node)
        self._waiting.extendleft(reversed(calls))
        seat.sit(self._start())
        return list(outcomes)

    def _patience(self) -> float | None:
        ends = [seat.ends for seat in self._seats if seat.ends is not None]
        return max(0.0, min(ends) - time.monotonic()) if ends else None

    def _expire(self) -> list[Outcome]:
        """End the workers whose calls are past their deadlines."""
        outcomes: list[Outcome] = []
        for seat in self._seats:
            if seat.ends is not None and seat.ends <= time.monotonic():
                late, *others = seat.leave()
                seat.process.end(kill=True)
                outcomes.append(
                    Broken(late.id, "deadline", f"no answer within its deadline of {late.deadline:g} s")
                )
                self._waiting.extendleft(reversed(others))
                seat.sit(self._start())
        return outcomes


def _plain(partition: Partition | Mapping[str, Any] | None) -> dict[str, Any] | None:
    if partition is None or isinstance(partition, Mapping):
        return dict(partition) if partition is not None else None
    described = describe_partition(partition)
    if described is not None:
        return described
    raise ConfigError(
        "simulation.not-importable", "a partition of your own runs in one process", "leave workers=0"
    )
