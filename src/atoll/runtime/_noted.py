"""Simulated nodes' data, and a note of each: which data sets a node has, of how many rows, with which fingerprints.

Doesn't know where the notes go. A node's data is noted when it is opened, and once in a process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from atoll.data import fingerprint, rows_of
from atoll.journal import Held

Tell = Callable[[str, Sequence[Held]], None]  # a node, and what it has


class Noted:
    """`data(node)` as `Bench` wants it; what is opened is told."""

    def __init__(self, data: Callable[[str], Mapping[str, Any]], tell: Tell) -> None:
        self._data, self._tell = data, tell
        self._known: set[str] = set()

    def __call__(self, node: str) -> Mapping[str, Any]:
        found = self._data(node)
        if node not in self._known:
            self._known.add(node)
            self._tell(node, [Held(node, n, rows_of(d), fingerprint(d)) for n, d in found.items()])
        return found
