"""The command line: `atoll run`, `atoll ls` and so on.

Doesn't know how a command works, and imports nothing but `sys` until it must: version, help and completion
are to feel instant.
"""

from __future__ import annotations

import sys

__all__ = ["main"]


def main(words: list[str] | None = None) -> int:
    """Run one command; returns its exit code (`atoll --help` lists them)."""
    if words is None:
        code = main(sys.argv[1:])
        _leave()
        return code
    try:
        code = _answer(words)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # whoever read this has seen enough
        return _silence()


def _leave() -> None:
    """The process ends now: all that was imported isn't searched for what could be freed, which takes as long as a short command."""
    import gc

    gc.freeze()


def _answer(words: list[str]) -> int:
    first = words[0] if words else "--help"
    if first in ("--version", "-V"):
        return _version(as_json="--json" in words)
    if first == "__complete":
        from atoll.surfaces.cli._complete import complete

        return complete(words[1:])
    if first in ("--help", "-h", "help") or _asks_for_help(words):
        from atoll.surfaces.cli._help import show_help

        if show_help([w for w in words if not w.startswith("-") and w != "help"]):
            return 0
    from atoll.surfaces.cli._dispatch import dispatch

    return dispatch(words)


def _asks_for_help(words: list[str]) -> bool:
    own = words[: words.index("--")] if "--" in words else words
    return "--help" in own or "-h" in own


def _version(*, as_json: bool) -> int:
    from atoll._version import __version__

    print(
        f'{{"schema": "atoll.version/1", "version": "{__version__}"}}' if as_json else f"atoll {__version__}"
    )
    return 0


def _silence() -> int:
    """Nothing more can be said: not at exit either, when Python flushes."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 141  # as if by SIGPIPE, which is what a shell expects
