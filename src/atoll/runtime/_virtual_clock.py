"""The settings of a virtual clock: how fast the nodes of a simulated fleet are, how far away, and when they are there.

Doesn't know the nodes. What is drawn, is drawn once a node (jitter and failures: once a task) from the run's seed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeAlias

from atoll.runtime._draws import Drawn, number, parse_draw, plain_draw
from atoll.runtime._trace import changed, read_trace
from atoll.values import ConfigError, suggestion

Setting: TypeAlias = float | str | Mapping[str, Any] | Drawn
_OPTIONAL = ("down", "up")


@dataclass(frozen=True, kw_only=True)
class VirtualClock:
    """How long everything takes at the nodes, in virtual seconds.

    Each setting is a number, or a distribution that every node draws from once: `{"by": "pareto", "minimum": 1, "alpha": 1.5}`.

    - `compute`: seconds a task; `per_weight`: seconds more for each unit of the update's weight (examples, usually)
    - `actions`: factors to both, such as `{"evaluate": 0.3}`; `jitter`: another factor, drawn for every task
    - `down`, `up`: bytes a second to the node and from it, of what tasks and updates hold in arrays; no time when left out
    - `latency`: seconds each way
    - `failure`: the chance that a task is lost on the way, before it is trained; `notice`: seconds until that is known
    - `available`: `{"on": 8 * 3600, "off": 16 * 3600}`, each drawn once a node; `offset`, into its period when the run
      begins, is anything unless given. Away, a node stands still, and goes on when it is back
    - `trace`: a JSON or CSV file with the numbers of each node, which go before those here

    Raises `ConfigError` (`clock.invalid`, `clock.bad-trace`) and `NotFound` (`clock.no-trace`).
    """

    compute: Setting = 1.0
    per_weight: Setting = 0.0
    down: Setting | None = None
    up: Setting | None = None
    latency: Setting = 0.0
    jitter: Setting = 1.0
    failure: Setting = 0.0
    notice: float = 0.0
    actions: Mapping[str, float] = field(default_factory=dict)
    available: Mapping[str, Any] | None = None
    trace: str | Path | None = None
    digest: str = ""  # of the trace, once a run has it

    def __post_init__(self) -> None:
        for name in ("compute", "per_weight", "down", "up", "latency", "jitter", "failure"):
            self.draw(name)
        if number(self.notice, "notice") < 0:
            raise ConfigError(
                "clock.invalid", f"the clock's notice is not negative, not {self.notice}", "notice = 60"
            )
        if not isinstance(self.actions, Mapping):
            raise ConfigError(
                "clock.invalid",
                f"the clock's actions is a table, not {self.actions!r:.80}",
                "actions = { evaluate = 0.3 }",
            )
        for action, factor in self.actions.items():
            if number(factor, f"actions.{action}") < 0:
                raise ConfigError(
                    "clock.invalid", f"the clock's actions.{action} is negative", f"actions.{action} = 0.3"
                )
        self.presence()
        if self.trace is not None and not isinstance(self.trace, str | Path):
            raise ConfigError(
                "clock.invalid", f"the clock's trace is a file, not {self.trace!r:.80}", 'trace = "fleet.csv"'
            )

    def draw(self, name: str) -> Drawn | None:
        """The distribution behind a setting; None for a bandwidth that was left out."""
        value = getattr(self, name)
        if value is None and name in _OPTIONAL:
            return None
        return parse_draw(value, name, size=name in _OPTIONAL, most=1.0 if name == "failure" else math.inf)

    def presence(self) -> dict[str, Drawn]:
        """The distributions of `available`."""
        if self.available is None:
            return {}
        if not isinstance(self.available, Mapping) or not {"on", "off"} <= set(self.available) <= {
            "on",
            "off",
            "offset",
        }:
            mend = "available = { on = 28800, off = 57600 }, and offset = 0 where all begin together"
            raise ConfigError(
                "clock.invalid", f"the clock's available has on and off, not {self.available!r:.80}", mend
            )
        found = {k: parse_draw(v, f"available.{k}") for k, v in self.available.items()}
        if not found["on"].at(1e-9) > 0:
            raise ConfigError(
                "clock.invalid",
                "the clock's available.on is over 0: a node is there some time",
                "available.on = 28800",
            )
        return found

    def sealed(self) -> VirtualClock:
        """With its trace's place and digest written down, so that a resumed run notices another."""
        if self.trace is None:
            return self
        path = Path(self.trace).absolute()
        _, digest = read_trace(path)
        if self.digest not in ("", digest):
            raise changed(path)
        return VirtualClock.of({**self.plain(), "trace": str(path), "digest": digest})

    def plain(self) -> dict[str, Any]:
        """As a project file writes it: what isn't the default."""
        return {
            f.name: _plain(getattr(self, f.name))
            for f in fields(self)
            if getattr(self, f.name) not in ("", None, {})
        }

    @classmethod
    def of(cls, settings: VirtualClock | Mapping[str, Any]) -> VirtualClock:
        """The clock that a table describes. Raises `ConfigError` (`clock.invalid`)."""
        if isinstance(settings, VirtualClock):
            return settings
        if not isinstance(settings, Mapping):
            raise ConfigError(
                "clock.invalid",
                f"a clock is a table of settings, not {settings!r:.80}",
                "clock = { compute = 2.5 }",
            )
        known = [f.name for f in fields(cls)]
        for key in settings:
            if key not in known:
                raise ConfigError(
                    "clock.invalid", f"a clock has no `{key}`", suggestion(str(key), known, what="settings")
                )
        return cls(**settings)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, Path):
        return str(value)
    return value if isinstance(value, int | float | str) else plain_draw(value)
