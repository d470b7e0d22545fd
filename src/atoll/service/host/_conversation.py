"""What a server app's process says to the coordinator and hears from it: one request at a time, each until it is answered.

Doesn't know what is said. A request that was cut off is sent again, as it was, before anything else is.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, TypeVar

import msgspec

from atoll.values import AtollError, JournalError
from atoll.wire import CallSpec, Heard, Manifest, Outcome, Say, TaskSpec

LINGER = 0.25  # seconds that something said outside a conversation may wait for one
FENCED, LACKING = "run.fenced", "object.missing"
T = TypeVar("T")


class Caller(Protocol):
    """Who carries requests: a wire's `Client`."""

    def call(
        self,
        method: str,
        path: str,
        body: msgspec.Struct | None,
        answer: type[T],
        *,
        wait: float = 0,
    ) -> T:
        """The answer; raises `AtollError` when it was refused."""
        ...


class Conversation:
    """One lease to write a run. What is to be told gathers until somebody listens, says, or a moment has passed."""

    def __init__(self, client: Caller, run: str, fence: int, *, send_again: Callable[[], None]) -> None:
        self._client, self._path, self._fence = client, f"/v1/runs/{run}/say", fence
        self._send_again = send_again  # the objects that were sent
        self._gathering = threading.Lock()
        self._speaking = threading.Lock()
        self._unsaid = _Unsaid()
        self._unheard: Say | None = None
        self._said = 0
        self._outcomes: deque[Outcome] = deque()
        self._taken: list[str] = []
        self.failure: AtollError | None = None  # why nothing can be said any more
        self._waiting, self._closed = threading.Event(), threading.Event()
        self.stop = False  # the coordinator asked for an end
        self._stopping = threading.Lock()
        threading.Thread(target=self._carry, name="atoll-courier", daemon=True).start()

    # -- to tell -------------------------------------------------------------------------------------------

    def event(self, body: bytes, objects: Mapping[str, Manifest], drop: Iterable[str] = ()) -> None:
        """An event, what it names, and what is needed no more."""
        with self._gathering:
            self._unsaid.events.append(body)
            self._unsaid.objects.update(objects)
            self._unsaid.drop.extend(drop)
        self._arm()

    def call(self, spec: TaskSpec, **fields: Any) -> None:
        """A call of a task."""
        with self._gathering:
            self._unsaid.call(spec, fields)
        self._arm()

    def cancel(self, keys: Iterable[str]) -> None:
        """Calls not wanted any more."""
        with self._gathering:
            self._unsaid.cancel.extend(keys)
        self._arm()

    # -- to speak ------------------------------------------------------------------------------------------

    def say(self) -> None:
        """Tell all there is; durable on return. Raises `JournalError`."""
        with self._speaking:
            self._exchange(0)

    def listen(self, wait: float) -> list[Outcome]:
        """Tell all there is, and wait so many seconds for at least one outcome. Raises `JournalError`."""
        with self._speaking:
            if self._unsaid or not self._outcomes:
                self._exchange(0 if self._outcomes else wait)
            found = list(self._outcomes)
            self._outcomes.clear()
            self._taken += [o.key for o in found]
            return found

    def first_to_stop(self) -> bool:
        """Whether nobody has interrupted the program yet; from now on somebody has: its last words are not to be."""
        return self._stopping.acquire(blocking=False)

    def close(self) -> None:
        """Nothing more is said."""
        self._closed.set()
        self._waiting.set()

    def _exchange(self, wait: float) -> None:
        if self._unheard is not None:
            self._send(msgspec.structs.replace(self._unheard, wait=0.0))
        self._unheard = self._gathered(wait)
        self._send(self._unheard)

    def _gathered(self, wait: float) -> Say:
        with self._gathering:
            unsaid, self._unsaid = self._unsaid, _Unsaid()
            taken, self._taken = self._taken, []
        self._said += bool(unsaid)
        return Say(fence=self._fence, at=self._said, wait=wait, heard=taken, events=unsaid.events, objects=unsaid.objects,
                   drop=unsaid.drop, tasks=unsaid.tasks, calls=unsaid.calls, cancel=unsaid.cancel)  # fmt: skip

    def _send(self, say: Say) -> None:
        if self.failure is not None:
            raise self.failure
        try:
            heard = self._answer(say)
        except AtollError as error:
            self.failure = error if isinstance(error, JournalError) else _refused(error)
            raise self.failure from error
        self._unheard = None
        # what nobody has taken yet was not said to be heard either, and is told again
        here = {(o.key, o.digest) for o in self._outcomes}
        self._outcomes.extend(o for o in heard.outcomes if (o.key, o.digest) not in here)
        self.stop = self.stop or heard.stop

    def _answer(self, say: Say) -> Heard:
        try:
            return self._client.call("POST", self._path, say, Heard, wait=say.wait)
        except AtollError as error:
            if error.code != LACKING:
                raise
        self._send_again()  # what nobody had named yet was swept away
        return self._client.call("POST", self._path, say, Heard, wait=say.wait)

    # -- on its own ----------------------------------------------------------------------------------------

    def _arm(self) -> None:
        if not self._waiting.is_set():
            self._waiting.set()

    def _carry(self) -> None:
        """What nobody comes to say, such as a line of the log while the program computes, goes after a moment."""
        while self._waiting.wait() and not self._closed.wait(LINGER):
            self._waiting.clear()
            try:
                with self._speaking:
                    if self._unsaid:
                        self._exchange(0)
            except AtollError:
                return  # whoever speaks next is told


class _Unsaid:
    """What the next request will hold."""

    def __init__(self) -> None:
        self.events: list[bytes] = []
        self.objects: dict[str, Manifest] = {}
        self.drop: list[str] = []
        self.tasks: list[TaskSpec] = []
        self.calls: list[CallSpec] = []
        self.cancel: list[str] = []
        self._places: dict[int, int] = {}

    def __bool__(self) -> bool:
        return bool(self.events or self.calls or self.cancel or self.drop or self.objects)

    def call(self, spec: TaskSpec, fields: Mapping[str, Any]) -> None:
        place = self._places.get(id(spec))
        if place is None:
            place = self._places[id(spec)] = len(self.tasks)
            self.tasks.append(spec)
        self.calls.append(CallSpec(task=place, **fields))


def _refused(error: AtollError) -> JournalError:
    if error.code == FENCED:
        return JournalError("run.fenced", "another process writes this run now", "let it: this one ends")
    return JournalError(error.code, error.message, error.mend)
