"""What a client function is told besides its arguments: the Context.

Doesn't know where it runs: `ctx.data` is a partition in simulation and the site's own data when deployed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from functools import partial
from typing import Any, TypeVar

import numpy as np

from atoll.app._seeding import apart
from atoll.app._task import Task
from atoll.values import (
    Arrays,
    AtollError,
    Config,
    NotFound,
    as_text,
    checked,
    derive_seed,
    fresh,
    suggestion,
)

T = TypeVar("T")


class State(MutableMapping[str, Any]):
    """What a node remembers between tasks: named arrays and plain data.

    What is assigned counts if, and only if, the reply of the task does: a task that is tried again finds what was there
    before. What is read is a copy: assign a list again after changing it. Numpy arrays are copied when assigned and read-only from then on.
    """

    __slots__ = ("_values", "changed")

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values
        self.changed = False

    def __getitem__(self, name: str) -> Any:
        return fresh(self._values[name])

    def __setitem__(self, name: str, value: Any) -> None:
        if isinstance(value, np.ndarray):
            raise AtollError(
                "state.bare-array",
                f"state `{name}` is a bare array",
                f"ctx.state[{name!r}] = atoll.Arrays(value=array)",
            )
        if isinstance(value, Arrays):
            value = Arrays(value.copy())
        self._values = {**self._values, **checked({name: value})}
        self.changed = True

    def __delitem__(self, name: str) -> None:
        self._values = {n: v for n, v in self._values.items() if n != name}
        self.changed = True

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"State({dict(self._values)})"

    def plain(self) -> Mapping[str, Any]:
        """What is remembered, as a mapping that no longer changes."""
        return self._values


class Data(Mapping[str, Any]):
    """The data sets of one node, by name, opened when first asked for."""

    __slots__ = ("_node", "_open", "_sets")

    def __init__(self, node: str, opened: Callable[[str], Mapping[str, Any]]) -> None:
        self._node, self._open = node, opened
        self._sets: Mapping[str, Any] | None = None

    def __getitem__(self, name: str) -> Any:
        sets = self._opened()
        try:
            return sets[name]
        except KeyError:
            raise NotFound(
                "data.unknown",
                f"{self._node} has no data set `{name}`",
                suggestion(name, sets, what="data sets"),
            ) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._opened())

    def __len__(self) -> int:
        return len(self._opened())

    def __contains__(self, name: object) -> bool:
        return name in self._opened()

    def _opened(self) -> Mapping[str, Any]:
        if self._sets is None:
            self._sets = self._open(self._node)
        return self._sets


def _no_data(node: str) -> Mapping[str, Any]:
    return {}


_NO_SITE = Config({})


class Bench:
    """What one worker keeps from task to task: the app's config, kept objects, open data."""

    def __init__(
        self,
        config: Config,
        *,
        seed: int = 0,
        data: Callable[[str], Mapping[str, Any]] = _no_data,
        log: Callable[[str, str, int, str], None] | None = None,
        site: Config = _NO_SITE,
    ) -> None:
        self.config, self.seed, self.data, self.site = config, seed, data, site
        self.log = log or _silent
        self.kept: dict[Any, Any] = {}
        self.shared: Any = None


def _silent(level: str, message: str, round: int, node: str) -> None:
    return None


class Context:
    """What a client function knows of its place.

    - `config`: the app's settings, with the task's own changes
    - `node`, `round`, `seed`: whose data this is, which round it is, and a seed of this (run, round, call, node) alone
    - `site`: what the node's owner says of the place, empty in simulation
    - `data`: data sets by name; `state`: what this node remembers between tasks
    - `keep(factory)`: an object made once per worker, such as a network
    - `shared`: what the app's lifespan hook yielded
    """

    __slots__ = ("_bench", "_data", "_rng", "config", "node", "round", "seed", "state", "task")

    def __init__(
        self, bench: Bench, task: Task, *, node: str, round: int, seed: int, state: Mapping[str, Any]
    ) -> None:
        self._bench, self.task = bench, task
        self.config = bench.config.extend(task.config) if task.config else bench.config
        self.node, self.round, self.seed = node, round, seed
        self.state = State(state)
        self._data: Data | None = None
        self._rng: np.random.Generator | None = None

    @property
    def rng(self) -> np.random.Generator:
        """A numpy generator seeded with `seed`: counter-based, the same wherever the task runs."""
        if self._rng is None:
            self._rng = np.random.Generator(np.random.Philox(key=self.seed))
        return self._rng

    @property
    def data(self) -> Data:
        """The node's data sets by name, opened when first asked for."""
        if self._data is None:
            self._data = Data(self.node, self._bench.data)
        return self._data

    @property
    def site(self) -> Config:
        """What the node's owner says of the place: `atoll node start --config beds=120`; empty in simulation."""
        return self._bench.site

    @property
    def shared(self) -> Any:
        """What the app's lifespan hook yielded."""
        return self._bench.shared

    def keep(self, factory: Callable[..., T], *args: Any) -> T:
        """`factory(*args)`, made at the first call and kept by the worker for all later tasks, of any node.

        What is kept goes on as the last task left it: set all that matters at the start of a task. The factory draws from
        generators seeded for it alone, so that every worker makes the same.
        """
        key = (_identity(factory), args)
        kept = self._bench.kept
        if key not in kept:
            with apart(derive_seed(self._bench.seed, "keep", getattr(factory, "__qualname__", ""))):
                kept[key] = factory(*args)
        made: T = kept[key]
        return made

    def log(self, message: object, *, level: str = "info") -> None:
        """A line in the run's log, marked with this node and round."""
        self._bench.log(level, as_text(str(message)), self.round, self.node)


def _identity(factory: Callable[..., Any]) -> Any:
    """What makes two factories the same: a lambda or a partial that is made anew for each task is the same one."""
    if isinstance(factory, partial):
        return _identity(factory.func), factory.args, tuple(sorted(factory.keywords.items()))
    return getattr(factory, "__code__", factory), getattr(factory, "__self__", None)
