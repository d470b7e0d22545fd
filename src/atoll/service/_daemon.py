"""`python -m atoll.service.{coordinator,node,host} SETTINGS.json`: settings read, a daemon served, an exit status.

Doesn't know which daemon it is, or who wrote the file.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from atoll.values import AtollError

S = TypeVar("S")


def daemon(what: str, settings: type[S], serve: Callable[[S], None]) -> int:
    """Be a daemon until it ends; the exit status."""
    if len(sys.argv) != 2:
        print(f"usage: python -m atoll.service.{what} SETTINGS.json", file=sys.stderr)
        return 2
    try:
        serve(msgspec.json.decode(_written(sys.argv[1]), type=settings, dec_hook=_path))
    except (OSError, msgspec.MsgspecError) as error:
        print(f"error: {sys.argv[1]}: {error}", file=sys.stderr)
        return 2
    except AtollError as error:
        print(f"error: {error.message}\n  mend: {error.mend}", file=sys.stderr)
        return error.exit_code
    return 0


def _written(name: str) -> bytes:
    """What a file says; of standard input its first line."""
    return sys.stdin.buffer.readline() if name == "-" else Path(name).read_bytes()


def _path(kind: type[Any], value: Any) -> Any:
    return Path(value) if kind is Path else value
