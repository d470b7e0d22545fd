"""Atoll: federated learning. Data stays where it was made; models travel.

Importing this imports nothing else: each name is fetched when it is first used.
"""

from __future__ import annotations

from atoll._version import __version__

TYPE_CHECKING = False  # as typing has it, whose import costs more than all the rest

if TYPE_CHECKING:
    from atoll import algorithms, data, jax, keras, lightning, numpy, sklearn, torch, transformers, xgboost
    from atoll.app import (
        Algorithm,
        ClientApp,
        Context,
        Failure,
        Fleet,
        Replies,
        Reply,
        Round,
        Schedule,
        ServerApp,
        ServerContext,
        Stream,
        Task,
        Update,
        fit,
    )
    from atoll.journal import History
    from atoll.runtime import simulate
    from atoll.surfaces._connect import connect
    from atoll.values import Arrays, AtollError, Config, Fold, Mean, Metrics

_ROOMS = {
    "app": (
        "Algorithm", "ClientApp", "Context", "Failure", "Fleet", "Replies", "Reply", "Round", "Schedule", "ServerApp",
        "ServerContext", "Stream", "Task", "Update", "fit",
    ),
    "journal": ("History",),
    "runtime": ("simulate",),
    "surfaces._connect": ("connect",),
    "values": ("Arrays", "AtollError", "Config", "Fold", "Mean", "Metrics"),
}  # fmt: skip
_HOME = {name: room for room, names in _ROOMS.items() for name in names}
_FACES = (
    "algorithms", "data", "jax", "keras", "lightning", "numpy", "sklearn", "torch", "transformers", "xgboost",
)  # fmt: skip

__all__ = [
    "Algorithm",
    "Arrays",
    "AtollError",
    "ClientApp",
    "Config",
    "Context",
    "Failure",
    "Fleet",
    "Fold",
    "History",
    "Mean",
    "Metrics",
    "Replies",
    "Reply",
    "Round",
    "Schedule",
    "ServerApp",
    "ServerContext",
    "Stream",
    "Task",
    "Update",
    "__version__",
    "algorithms",
    "connect",
    "data",
    "fit",
    "jax",
    "keras",
    "lightning",
    "numpy",
    "simulate",
    "sklearn",
    "torch",
    "transformers",
    "xgboost",
]


if not TYPE_CHECKING:  # so that a type checker knows the names above and no others

    def __getattr__(name: str) -> object:
        from importlib import import_module

        if name in _HOME:
            value = getattr(import_module(f"atoll.{_HOME[name]}"), name)
        elif name in _FACES:
            value = import_module(f"atoll.{name}")
        else:
            raise AttributeError(f"module 'atoll' has no attribute {name!r}")
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return __all__
