"""`python -m atoll.service.coordinator SETTINGS.json`.

Doesn't know who wrote them.
"""

from __future__ import annotations

import sys

from atoll.service._daemon import daemon
from atoll.service.coordinator import Settings, serve

if __name__ == "__main__":
    sys.exit(daemon("coordinator", Settings, serve))
