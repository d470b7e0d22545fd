"""Tracebacks as a user wants them: their own code, not Atoll's.

Doesn't know who shows them.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path

_OURS = (str(Path(__file__).parents[1]), "<frozen", importlib.__file__)


def users_traceback(error: BaseException) -> str:
    """A traceback without Atoll's own frames, unless it is Atoll that raised."""
    import traceback

    told: traceback.TracebackException | None = traceback.TracebackException.from_exception(error)
    whole = told
    while told is not None:
        theirs = [frame for frame in told.stack if _is_users(frame.filename)]
        if theirs and _is_users(told.stack[-1].filename, libraries=True):
            left = [f for f in told.stack if _is_users(f.filename, libraries=True)]
            told.stack = traceback.StackSummary.from_list(left)
        told = told.__cause__ or (None if told.__suppress_context__ else told.__context__)
    return "".join(whole.format()) if whole is not None else ""


def users_place(error: BaseException) -> str:
    """Where the user's own code was when Atoll raised an error, or nothing when none was running."""
    import traceback

    frames = [
        f for f in traceback.extract_tb(error.__traceback__) if _is_users(f.filename) and f.name != "<module>"
    ]
    return f"{frames[-1].filename}, line {frames[-1].lineno}, in {frames[-1].name}" if frames else ""


def _is_users(file: str, *, libraries: bool = False) -> bool:
    """Whether a frame's file is the user's: not Atoll's, nor (unless `libraries`) one that was installed."""
    if file.startswith(_OURS):
        return False
    return libraries or not (file.startswith(("<", os.path.dirname(os.__file__))) or "site-packages" in file)
