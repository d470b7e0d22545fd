"""`python -m atoll.service.host SETTINGS.json`; with `-` the settings are the first line of standard input, and its end is the host's.

Doesn't know who wrote them.
"""

from __future__ import annotations

import os
import sys

from atoll.service._daemon import daemon
from atoll.service.host import HostSettings, serve


def _serve(settings: HostSettings) -> None:
    serve(settings, until=_end_of_input if sys.argv[1] == "-" else None)


def _end_of_input() -> None:
    while os.read(0, 1):  # no lock of Python's is held that its end would wait for
        pass


if __name__ == "__main__":
    sys.exit(daemon("host", HostSettings, _serve))
