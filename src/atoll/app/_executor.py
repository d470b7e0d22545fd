"""The seam between asking and doing: an executor carries calls out somewhere and tells how they ended.

Doesn't know of rounds, schedules or journals; whoever drives it doesn't know of threads, processes or networks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, TypeAlias

import msgspec

from atoll.app._clock import Timing
from atoll.app._task import Task, Update
from atoll.journal import Called, CallRow
from atoll.values import Payload


class Call(msgspec.Struct, frozen=True, gc=False):
    """One task for one node. (round, ordinal, place, node) names it in every attempt of the run; `index` is its reply's.

    In virtual time, `asked` is when it was asked for, should that not be now.
    """

    id: int
    node: str
    task: Task
    round: int
    ordinal: int
    seed: int
    state: Mapping[str, Any]
    deadline: float | None = None  # seconds from hand-over
    index: int = 0
    place: int = 0
    asked: float | None = None


class Done(msgspec.Struct, frozen=True, gc=False):
    """The call's function returned, and what it returned is valid. `state` is None when the task left it as it was.

    With `load`, the update's payload lies elsewhere and is read when it is asked for. `seconds` passed for real;
    `timing` is when it came in virtual time, where there is one.
    """

    id: int
    update: Update
    seconds: float
    state: Mapping[str, Any] | None = None
    load: Callable[[], Payload] | None = None
    timing: Timing | None = None


class Broken(msgspec.Struct, frozen=True, gc=False):
    """The call came to nothing; `kind` as in `Failure`."""

    id: int
    kind: str
    message: str
    traceback: str = ""
    timing: Timing | None = None


Outcome: TypeAlias = Done | Broken


def moment(outcome: Outcome) -> float | None:
    """When it came in virtual time."""
    return None if outcome.timing is None else outcome.timing.at


def lasted(done: Done) -> float:
    """The seconds that an answer took, as its fleet counts them."""
    return done.seconds if done.timing is None else done.timing.seconds


class Adopter(Protocol):
    """An executor whose calls outlive the program that made them."""

    def adopt(self, id: int, called: Called, row: CallRow) -> None:
        """Take on a call that an earlier attempt made, as it is."""
        ...


class Executor(Protocol):
    """Carries calls out. Driven by one thread.

    `capacity` is how many calls it can work on at once: more may be started, and wait.
    """

    @property
    def capacity(self) -> int: ...

    def start(self, call: Call) -> None:
        """Take a call on; returns at once."""
        ...

    def wait(self) -> list[Outcome]:
        """At least one outcome of the calls taken on, in no order; called only while there are some."""
        ...

    def cancel(self, ids: Iterable[int]) -> set[int]:
        """Forget these calls if they have not begun; return those forgotten, which will have no outcome.

        Those begun go on and end as outcomes, late.
        """
        ...

    def close(self) -> None:
        """End all work and free everything; calls under way have no outcome."""
        ...
