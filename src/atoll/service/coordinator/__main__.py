"""`python -m atoll.service.coordinator SETTINGS.json`.

Doesn't know who wrote them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec

from atoll.service.coordinator import Settings, serve
from atoll.values import AtollError


def main() -> int:
    """Be a coordinator; the exit status."""
    if len(sys.argv) != 2:
        print("usage: python -m atoll.service.coordinator SETTINGS.json", file=sys.stderr)
        return 2
    try:
        serve(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Settings, dec_hook=_path))
    except (OSError, msgspec.MsgspecError) as error:
        print(f"error: {sys.argv[1]}: {error}", file=sys.stderr)
        return 2
    except AtollError as error:
        print(f"error: {error.message}\n  mend: {error.mend}", file=sys.stderr)
        return error.exit_code
    return 0


def _path(kind: type[Any], value: Any) -> Any:
    return kind(value)


if __name__ == "__main__":
    sys.exit(main())
