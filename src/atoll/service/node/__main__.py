"""`python -m atoll.service.node SETTINGS.json`.

Doesn't know who wrote them.
"""

from __future__ import annotations

import sys

from atoll.service._daemon import daemon
from atoll.service.node import NodeSettings, serve

if __name__ == "__main__":
    sys.exit(daemon("node", NodeSettings, serve))
