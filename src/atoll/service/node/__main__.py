"""`python -m atoll.service.node SETTINGS.json`.

Doesn't know who wrote the file.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from atoll.service.node import NodeSettings, serve
from atoll.values import AtollError


def main() -> int:
    """Be a node; the exit status."""
    if len(sys.argv) != 2:
        print("usage: python -m atoll.service.node SETTINGS.json", file=sys.stderr)
        return 2
    try:
        serve(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=NodeSettings))
    except (OSError, msgspec.MsgspecError) as error:
        print(f"error: {sys.argv[1]}: {error}", file=sys.stderr)
        return 2
    except AtollError as error:
        print(f"error: {error.message}\n  mend: {error.mend}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
