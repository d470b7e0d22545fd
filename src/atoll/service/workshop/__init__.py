"""Shared by node and host: extracted bundles, environments, and the processes that run in them.

Doesn't know the network, or what is computed.
"""

from atoll.service.workshop._messages import Did, Failed, Ready, Said, Told, Unfit
from atoll.service.workshop._process import Worker
from atoll.service.workshop._workshop import Prepared, Workshop

__all__ = ["Did", "Failed", "Prepared", "Ready", "Said", "Told", "Unfit", "Worker", "Workshop"]
