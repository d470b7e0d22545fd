"""The coordinator: the long-running service in the middle.

Doesn't know what is trained. It meets nodes, hosts and users on the wire alone.
"""

from atoll.service.coordinator._backup import backup, restore
from atoll.service.coordinator._serve import serve
from atoll.service.coordinator._settings import Settings

__all__ = ["Settings", "backup", "restore", "serve"]
