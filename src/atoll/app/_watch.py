"""Watching a run as it goes: what a progress display is told.

Doesn't know how it is shown. These are for eyes alone; what happened is in the journal.
"""

from __future__ import annotations

from collections.abc import Mapping

from atoll.app._task import Failure, Reply
from atoll.values import Scalar


class Watch:
    """Does nothing at each step; a display overrides what it shows."""

    def began(self, run: str, name: str, rounds_done: int) -> None:
        """The run starts, or goes on after so many rounds."""

    def asked(self, round: int, action: str, cohort: int) -> None:
        """A cohort of so many nodes was asked."""

    def replied(self, round: int, reply: Reply) -> None:
        """One node answered."""

    def failed(self, round: int, failure: Failure) -> None:
        """One node's answer does not count."""

    def committed(self, round: int, total: int, metrics: Mapping[str, Scalar], seconds: float) -> None:
        """A round is done."""

    def logged(self, level: str, message: str, round: int | None, node: str) -> None:
        """A line for the log."""
