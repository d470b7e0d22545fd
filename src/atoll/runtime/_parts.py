"""The data of simulated nodes: one data set, dealt to the nodes by a partition; opened when first asked for.

Doesn't know what is trained on it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from atoll.app import apart
from atoll.data import (
    IID,
    Dirichlet,
    FeatureSkew,
    Partition,
    Shards,
    SizeSkew,
    Split,
    parse_partition,
    split,
)
from atoll.values import ConfigError, derive_seed

Source: TypeAlias = Callable[[], Mapping[str, Any]] | Mapping[str, Any] | None


class Parts:
    """What each simulated node has: `parts(node)` maps names to data sets."""

    def __init__(
        self,
        source: Source,
        partition: Partition | Mapping[str, Any] | None,
        nodes: Sequence[str] | int,
        seed: int,
    ) -> None:
        self._source, self._nodes, self._seed = source, nodes, seed
        self._partition = parse_partition(partition) if isinstance(partition, Mapping) else partition or IID()
        self._split: Split | None = None
        self._numbers = {} if isinstance(nodes, int) else {name: i for i, name in enumerate(nodes)}

    def __call__(self, node: str) -> Mapping[str, Any]:
        if self._source is None:
            return {}
        return self._dealt().node(self._numbers[node])

    def names(self) -> list[str]:
        """What the partition calls the nodes, or numbers: node-0, node-1 ..."""
        count = self._nodes if isinstance(self._nodes, int) else len(self._nodes)
        named = self._dealt().names if self._source is not None and _names_nodes(self._partition) else None
        names = list(named) if named else [f"node-{i}" for i in range(count)]
        self._numbers = {name: i for i, name in enumerate(names)}
        return names

    def _dealt(self) -> Split:
        if self._split is None:
            with apart(derive_seed(self._seed, "data")):
                datasets = self._source() if callable(self._source) else self._source
            if not isinstance(datasets, Mapping):
                mend = 'return a mapping: {"train": atoll.data.Table(...), "test": ...}'
                raise ConfigError(
                    "data.bad-source", f"the data source returned a {type(datasets).__name__}", mend
                )
            count = self._nodes if isinstance(self._nodes, int) else len(self._nodes)
            self._split = split(datasets, self._partition, count, self._seed)
        return self._split


def _names_nodes(partition: Partition) -> bool:
    return not isinstance(partition, IID | Dirichlet | FeatureSkew | Shards | SizeSkew)
