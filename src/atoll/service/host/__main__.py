"""`python -m atoll.service.host SETTINGS.json`; with `-` the settings are the first line of standard input, and its end is the host's.

Doesn't know who wrote them.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec

from atoll.service.host import HostSettings, serve
from atoll.values import AtollError


def main() -> int:
    """Be a host; the exit status."""
    if len(sys.argv) != 2:
        print("usage: python -m atoll.service.host SETTINGS.json", file=sys.stderr)
        return 2
    try:
        if sys.argv[1] == "-":
            serve(msgspec.json.decode(sys.stdin.buffer.readline(), type=HostSettings), until=_end_of_input)
        else:
            serve(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=HostSettings))
    except (OSError, msgspec.MsgspecError) as error:
        print(f"error: {sys.argv[1]}: {error}", file=sys.stderr)
        return 2
    except AtollError as error:
        print(f"error: {error.message}\n  mend: {error.mend}", file=sys.stderr)
        return error.exit_code
    return 0


def _end_of_input() -> None:
    while os.read(0, 1):  # no lock of Python's is held that its end would wait for
        pass


if __name__ == "__main__":
    sys.exit(main())
