"""The data sets of a node, as a worker opens them: each when it is first asked for, and once.

Doesn't know what is trained on them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from atoll.app import resolve
from atoll.data import SIMULATED, open_source
from atoll.runtime import Parts
from atoll.wire import RunSpec


class Site:
    """What `ctx.data` is made of: `site(node)`, as `Bench` wants it.

    A source called `simulated` stands for the app's own simulated data: this node's part of it, dealt as a simulation
    with the same nodes and seed deals it.
    """

    def __init__(self, sources: Mapping[str, str], folder: Path, spec: RunSpec) -> None:
        self._sources = {name: text for name, text in sources.items() if name != SIMULATED}
        self._folder, self._spec = folder, spec
        self._simulated = SIMULATED in sources
        self._sets: _Sets | None = None

    def __call__(self, node: str) -> Mapping[str, Any]:
        if self._sets is None:
            dealt = self._dealt(node) if self._simulated else {}
            self._sets = _Sets(self._sources, dealt, lambda ref, what: resolve(ref, self._folder, what=what))
        return self._sets

    def names(self) -> list[str]:
        """What there is, as far as is known without opening anything."""
        return list(self._sets if self._sets is not None else self._sources)

    def opened(self) -> Mapping[str, Any]:
        """The data sets that were asked for so far."""
        return self._sets.opened if self._sets is not None else {}

    def _dealt(self, node: str) -> Mapping[str, Any]:
        spec = self._spec
        if not spec.data:
            return {}  # as in a simulation
        source = resolve(spec.data, self._folder, what="[tool.atoll.simulation] data")
        nodes = spec.nodes if node in spec.nodes else [*spec.nodes, node]  # a preflight knows of no others
        return Parts(source, spec.partition, nodes, spec.seed)(node)


class _Sets(Mapping[str, Any]):
    def __init__(
        self, sources: Mapping[str, str], dealt: Mapping[str, Any], find: Callable[[str, str], Any]
    ) -> None:
        self._sources, self._find = sources, find
        self._open: dict[str, Any] = dict(dealt)

    @property
    def opened(self) -> Mapping[str, Any]:
        """Those that are open."""
        return self._open

    def __getitem__(self, name: str) -> Any:
        if name not in self._open:
            self._open[name] = open_source(name, self._sources[name], self._find)
        return self._open[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._open, **self._sources})

    def __len__(self) -> int:
        return len({**self._open, **self._sources})
