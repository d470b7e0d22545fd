"""Refusals: why a request is not done, as its status, a stable code, what happened and the mend.

Doesn't know how they travel.
"""

from __future__ import annotations

from atoll.values import AtollError


class Refusal(AtollError):
    """A request that the coordinator refuses. `retry` is how many seconds later it may be granted; 0: it never will as it is."""

    def __init__(self, status: int, code: str, message: str, mend: str = "", *, retry: float = 0.0) -> None:
        super().__init__(code, message, mend)
        self.status, self.retry = status, retry
