"""What waits for one node: a line for each run, taken in turn across users, and across each user's runs.

Doesn't know how many calls the node takes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from atoll.service.coordinator._calls import OPEN, Call
from atoll.service.coordinator._run import Run


class Queue:
    """Lines of calls. What is not open any more when its turn comes is passed over."""

    __slots__ = ("_users",)

    def __init__(self) -> None:
        self._users: dict[str, dict[Run, deque[Call]]] = {}

    def put(self, run: Run, call: Call, *, first: bool = False) -> None:
        """Add a call to its run's line."""
        line = self._users.setdefault(run.user, {}).setdefault(run, deque())
        if first:
            line.appendleft(call)
        else:
            line.append(call)

    def next(self) -> tuple[Run, Call] | None:
        """Take the call whose turn it is."""
        while self._users:
            user = next(iter(self._users))
            runs = self._users.pop(user)
            run = next(iter(runs))
            line = runs.pop(run)
            call = line.popleft()
            if line:
                runs[run] = line
            if runs:
                self._users[user] = runs
            if call.state == OPEN and not call.handed:
                return run, call
        return None

    def leave(self, run: Run) -> None:
        """Forget a run's line."""
        runs = self._users.get(run.user)
        if runs is not None:
            runs.pop(run, None)
            if not runs:
                del self._users[run.user]

    def __iter__(self) -> Iterator[Call]:
        for runs in self._users.values():
            for line in runs.values():
                yield from (call for call in line if call.state == OPEN and not call.handed)

    def __len__(self) -> int:
        return sum(1 for _ in self)
