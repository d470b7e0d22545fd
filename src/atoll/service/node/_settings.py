"""What a node's owner decides: where the coordinator is, which data there is, how much may be used.

Doesn't know how it was written down; a command and a file both make one.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from atoll.wire import Address


class NodeSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything a node needs to begin."""

    coordinator: Address
    name: str
    home: str
    pins: dict[
        str, str
    ] = {}  # federation -> the id of its root key; with a key, or these, only signed runs are done
    data: dict[str, str] = {}  # name -> what it means: a file, a folder, module:function
    config: dict[str, object] = {}  # what client functions read as ctx.site
    labels: dict[str, str] = {}
    resources: dict[str, float] = {}  # cpus, gpus, memory (bytes); found out when not given
    tell: Literal["names", "rows", "fingerprints"] = "names"  # of the data that a run opens, for its journal
    slots: int = 1  # calls at once, over all runs
    workers: int = 4  # kept warm
    idle: float = 600.0  # seconds after which a worker without a call ends
    turn: float = 30.0  # seconds after which a worker makes way for another run's that waits
    environments: str = "here"  # or "uv": an environment for each app's lock
    wheelhouse: str | None = None
    index: str | None = None
    cache: int = 8 << 30  # bytes of objects kept for the next task
    grace: float = 5.0  # seconds for what is under way when the node is told to end
