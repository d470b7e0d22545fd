"""Progress in plain lines: one a round, for a notebook, a script, a log file.

Doesn't know of terminals; a surface that has one shows more.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TextIO

from atoll.app import Failure, Watch
from atoll.values import Scalar


class Progress(Watch):
    """Prints a line for each committed round, each failure and each line logged."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out

    def committed(self, round: int, total: int, metrics: Mapping[str, Scalar], seconds: float) -> None:
        self._print(f"round {round}/{total}  {in_words(metrics)}  {seconds:.1f} s")

    def failed(self, round: int, failure: Failure) -> None:
        if failure.kind != "late":
            self._print(f"{failure.node} {failure.kind}: {failure.message}")

    def logged(self, level: str, message: str, round: int | None, node: str) -> None:
        self._print(f"{node}: {message}" if node else message)

    def _print(self, line: str) -> None:
        print(line, file=self._out or sys.stdout, flush=True)


def in_words(metrics: Mapping[str, Scalar]) -> str:
    """Metrics in one line."""
    return "  ".join(f"{n} {v:.4g}" if isinstance(v, float) else f"{n} {v}" for n, v in metrics.items())
