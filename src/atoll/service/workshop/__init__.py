"""Shared by node and host: extracted bundles, environments, and the processes that run in them.

Doesn't know the network, or what is computed.
"""

from typing import TYPE_CHECKING, Any

from atoll.service.workshop._messages import Did, Failed, Ready, Said, Told, Unfit

if TYPE_CHECKING:
    from atoll.service.workshop._bundles import Bundles
    from atoll.service.workshop._process import Spare, Worker
    from atoll.service.workshop._workshop import Prepared, Workshop

__all__ = [
    "Bundles",
    "Did",
    "Failed",
    "Prepared",
    "Ready",
    "Said",
    "Spare",
    "Told",
    "Unfit",
    "Worker",
    "Workshop",
]

_ROOMS = {
    "Bundles": "_bundles",
    "Spare": "_process",
    "Worker": "_process",
    "Prepared": "_workshop",
    "Workshop": "_workshop",
}


def __getattr__(name: str) -> Any:
    if name in _ROOMS:  # a worker's process needs none of the daemon
        import importlib

        value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{_ROOMS[name]}"), name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
