"""The nodes of a stream that have nothing to do.

Doesn't know what the others do. Finding one costs next to nothing, however many there are.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Sequence


class Free:
    """Some of these nodes, kept in their order."""

    def __init__(self, nodes: Sequence[str]) -> None:
        self._nodes = nodes
        self._places = {node: place for place, node in enumerate(nodes)}
        self._free = list(range(len(nodes)))
        self._tasks: Counter[str] = Counter()

    def any(self, seed: int) -> str:
        """One of them, by a 63-bit seed; each is as likely as any other."""
        return self._nodes[self._free[seed % len(self._free)]]

    def take(self, node: str) -> None:
        """It has a task, or one more."""
        self._tasks[node] += 1
        place = self._places.get(node)  # an earlier attempt may have asked nodes that are gone
        if self._tasks[node] == 1 and place is not None:
            del self._free[bisect_left(self._free, place)]

    def give(self, node: str) -> None:
        """It has a task less."""
        self._tasks[node] -= 1
        place = self._places.get(node)
        if not self._tasks[node] and place is not None:
            insort(self._free, place)
