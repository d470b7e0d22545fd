"""An executor in the program's own process: one call at a time, nothing copied, nothing serialised.

Doesn't know of rounds or schedules.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable

from atoll.app import Bench, Broken, Call, ClientApp, Done, Outcome, perform, settled


class InProcess:
    """Performs calls in the order given: on the program's thread, or, when they have a deadline, on one beside it.

    A call past its deadline is left behind on its thread, which nobody can end; the next call gets a new thread and bench.
    """

    capacity = 1

    def __init__(self, app: ClientApp, bench: Callable[[], Bench], *, fail_fast: bool = False) -> None:
        self._app, self._make_bench, self._fail_fast = app, bench, fail_fast
        self._waiting: deque[Call] = deque()
        self._life = contextlib.ExitStack()
        self._bench: Bench | None = None
        self._side: _Side | None = None

    def start(self, call: Call) -> None:
        self._waiting.append(call)

    def wait(self) -> list[Outcome]:
        call = self._waiting.popleft()
        if call.deadline is None or self._fail_fast:
            return [_kept(perform(self._app, self._own_bench(), call, fail_fast=self._fail_fast))]
        return [self._beside(call, call.deadline)]

    def cancel(self, ids: Iterable[int]) -> set[int]:
        unwanted = set(ids)
        forgotten = {c.id for c in self._waiting if c.id in unwanted}
        self._waiting = deque(c for c in self._waiting if c.id not in forgotten)
        return forgotten

    def close(self) -> None:
        self._waiting.clear()
        if self._side is not None:
            self._side.end()
        self._life.close()

    def _own_bench(self) -> Bench:
        if self._bench is None:
            self._bench = self._make_bench()
            self._life.enter_context(self._app.alive(self._bench))
        return self._bench

    def _beside(self, call: Call, deadline: float) -> Outcome:
        if self._side is None:
            self._side = _Side(self._app, self._make_bench)
        outcome = self._side.perform(call, deadline)
        if outcome is None:
            self._side = None
            message = f"no answer within its deadline of {deadline:g} s"
            return Broken(call.id, "deadline", message)
        return outcome


class _Side:
    """A thread with a bench of its own, for calls that may hang."""

    def __init__(self, app: ClientApp, bench: Callable[[], Bench]) -> None:
        self._calls: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._outcomes: queue.SimpleQueue[Outcome | BaseException] = queue.SimpleQueue()
        threading.Thread(target=self._work, args=(app, bench), name="atoll-client", daemon=True).start()

    def perform(self, call: Call, seconds: float) -> Outcome | None:
        """The outcome, or None when it takes longer than that. Raises what the app's lifespan raised."""
        self._calls.put(call)
        try:
            outcome = self._outcomes.get(timeout=seconds)
        except queue.Empty:
            self._calls.put(None)  # should it ever come back, it ends
            return None
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def end(self) -> None:
        self._calls.put(None)

    def _work(self, app: ClientApp, make_bench: Callable[[], Bench]) -> None:
        try:
            bench = make_bench()
            with app.alive(bench):
                while (call := self._calls.get()) is not None:
                    self._outcomes.put(_kept(perform(app, bench, call)))
        except BaseException as error:  # for the program's thread to raise
            self._outcomes.put(error)


def _kept(outcome: Outcome) -> Outcome:
    """The outcome, apart from memory that the next call may write to: in another process it would be a copy anyway."""
    if isinstance(outcome, Done):
        outcome.update.payload = settled(outcome.update.payload)
    return outcome
