"""The host: runs server apps, each a process that drives its run over the wire.

Doesn't know the coordinator but by what it answers, nor nodes at all.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from atoll.service.host._here import drive_here
    from atoll.service.host._serve import serve
    from atoll.service.host._settings import HostSettings

__all__ = ["HostSettings", "drive_here", "serve"]

_ROOMS = {"HostSettings": "_settings", "drive_here": "_here", "serve": "_serve"}


def __getattr__(name: str) -> Any:
    if name in _ROOMS:  # a program's process needs none of the daemon
        import importlib

        return getattr(importlib.import_module(f"{__name__}.{_ROOMS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
