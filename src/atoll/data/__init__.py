"""Data of a federation: tables, views, and how rows are dealt to simulated nodes.

Doesn't know what is trained on them, or where a deployed site keeps its own.

`atoll.data.samples` has real data sets out of installed packages; it is imported when it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from atoll.data._columns import column_of
from atoll.data._features import FeatureSkew
from atoll.data._fingerprint import fingerprint, rows_of
from atoll.data._parse import describe_partition, parse_partition
from atoll.data._partition import IID, Dirichlet, Joint, Natural, Partition
from atoll.data._plot import plot_partitions
from atoll.data._shards import Shards
from atoll.data._sizes import SizeSkew
from atoll.data._source import SIMULATED, is_function, open_source
from atoll.data._split import Split, split
from atoll.data._subset import Dataset, Subset
from atoll.data._table import Table
from atoll.data._vertical import Vertical

if TYPE_CHECKING:
    from atoll.data import samples

__all__ = [
    "IID",
    "SIMULATED",
    "Dataset",
    "Dirichlet",
    "FeatureSkew",
    "Joint",
    "Natural",
    "Partition",
    "Shards",
    "SizeSkew",
    "Split",
    "Subset",
    "Table",
    "Vertical",
    "column_of",
    "describe_partition",
    "fingerprint",
    "is_function",
    "open_source",
    "parse_partition",
    "plot_partitions",
    "rows_of",
    "samples",
    "split",
]


def __getattr__(name: str) -> Any:
    if name == "samples":
        from importlib import import_module

        return import_module("atoll.data.samples")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
