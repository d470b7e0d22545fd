"""The pace of each node of a simulated fleet: what its tasks take, as its clock's settings and its draws have it.

Doesn't know what order things happen in. A node's draws depend on the run's seed and its name alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atoll.app import Call
from atoll.runtime._draws import Constant, Drawn, Uniform
from atoll.runtime._trace import changed, read_trace
from atoll.runtime._virtual_clock import VirtualClock
from atoll.runtime._windows import Windows
from atoll.values import seeds_below

_PRESENCE = ("on", "off", "offset")
_SETTINGS = ("compute", "per_weight", "down", "up", "latency", "failure")


@dataclass(frozen=True, slots=True)
class Pace:
    """What one node takes: seconds, and bytes a second."""

    compute: float
    per_weight: float
    down: float
    up: float
    latency: float
    failure: float
    windows: Windows | None

    def ends(self, begin: float, seconds: float) -> float:
        """When so much work is done that begins then, times away left out."""
        return begin + seconds if self.windows is None else self.windows.ends(begin, seconds)


@dataclass(frozen=True, slots=True)
class Effort:
    """What one task takes at its node: `known` seconds before anybody has trained, and what depends on the update."""

    known: float
    per_weight: float
    per_byte: float
    fails: float | None  # after such a part of what is known

    def seconds(self, weight: float, nbytes: int) -> float:
        """The whole time, for an update of this weight and so many bytes."""
        return self.known + weight * self.per_weight + nbytes * self.per_byte


class Paces:
    """The paces of a fleet, by node. Raises `ConfigError` (`clock.bad-trace`) for a trace that was changed, or doesn't know a node."""

    def __init__(self, clock: VirtualClock, nodes: list[str], seed: int) -> None:
        self._clock, self._seed = clock, seed
        self._places = {node: place for place, node in enumerate(nodes)}
        self._draws = {name: clock.draw(name) for name in _SETTINGS}
        self._jitter = None if clock.jitter == 1.0 else clock.draw("jitter")
        self._presence = clock.presence()
        self._node_seeds = {n: seeds_below(seed, "clock", n) for n in (*_SETTINGS, *_PRESENCE)}
        self._trace = None
        if clock.trace is not None:
            path = Path(clock.trace)
            self._trace, digest = read_trace(path)
            if clock.digest not in ("", digest):
                raise changed(path)
        self._found: dict[str, Pace] = {}
        self._task_place: tuple[int, int] | None = None
        self._task_seeds = seeds_below(seed)

    def check(self) -> None:
        """Raise for a node that the trace doesn't know."""
        if self._trace is not None:
            for node, place in self._places.items():
                self._trace.row(node, place)

    def of(self, node: str) -> Pace:
        """A node's pace."""
        if node not in self._found:
            self._found[node] = self._made(node)
        return self._found[node]

    def effort(self, call: Call, nbytes: int) -> Effort:
        """What a call takes whose task holds so many bytes."""
        pace = self.of(call.node)
        factor = self._clock.actions.get(call.task.action, 1.0)
        fails = None
        if self._jitter is not None:
            factor *= self._jitter.at(self._share(call, "jitter"))
        if pace.failure > 0 and self._share(call, "failure") < pace.failure:
            fails = self._share(call, "fails at")
        known = 2 * pace.latency + nbytes / pace.down + pace.compute * factor
        return Effort(known, pace.per_weight * factor, 1 / pace.up, fails)

    def _made(self, node: str) -> Pace:
        drawn: dict[str, Any] = {
            name: math.inf if draw is None else self._drawn(draw, node, name)
            for name, draw in self._draws.items()
        }
        windows = self._windows(node)
        if self._trace is not None:
            numbers, traced = self._trace.row(node, self._places[node])
            drawn.update(numbers)
            windows = traced or windows
        return Pace(**drawn, windows=windows)

    def _windows(self, node: str) -> Windows | None:
        if not self._presence:
            return None
        on, off = (self._drawn(self._presence[key], node, key) for key in ("on", "off"))
        if off <= 0:
            return None
        offset = self._presence.get("offset") or Uniform(0.0, on + off)
        return Windows(((0.0, on),), on + off, self._drawn(offset, node, "offset"))

    def _drawn(self, draw: Drawn, node: str, name: str) -> float:
        return draw.value if isinstance(draw, Constant) else draw.at(_share(self._node_seeds[name](node)))

    def _share(self, call: Call, name: str) -> float:
        if self._task_place != (call.round, call.ordinal):
            self._task_place = call.round, call.ordinal
            self._task_seeds = seeds_below(self._seed, "clock", call.round, call.ordinal)
        return _share(self._task_seeds(f"{name}/{call.place}/{call.node}"))


def _share(seed: int) -> float:
    """A number over 0 and under 1 of a 63-bit seed."""
    return ((seed >> 11) + 0.5) / (1 << 52)
