"""Watching a run: what has happened, in lines; on a terminal, what is happening as well.

Doesn't know the terminal; the live line is `_live`'s.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from atoll.app import Failure, Reply, Watch
from atoll.journal import Created
from atoll.surfaces.cli._dispatch import BEGUN
from atoll.surfaces.cli._output import Output
from atoll.surfaces.cli._words import count, number, span
from atoll.values import Scalar

if TYPE_CHECKING:
    from atoll.surfaces.cli._live import Live

_ALIKE = 3  # failures of one kind that are told one by one, in one round


def watching(created: Created, out: Output, *, quiet: bool, live: bool = True) -> Watching:
    """How to watch a run: live on a terminal, in lines off one, not at all when quiet."""
    stream = sys.stderr if out.as_json else sys.stdout
    return Watching(created, out, stream, quiet=quiet, live=live and not quiet and _draws(stream))


def _draws(stream: TextIO) -> bool:
    return stream.isatty() and os.environ.get("TERM") != "dumb"


class Progress:
    """What is going on in a run: the round, the cohort, how fast it goes."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = 0  # rounds
        self.action, self.asked, self.answered, self.failed = "", 0, 0, 0
        self.questions = 0  # asked in the open round
        self.losses = [0.0, 0.0]  # sum over replies by weight, weight
        self.since = time.monotonic()  # of the open round
        self.pace: float | None = None  # seconds a round, lately

    def commit(self, round: int, total: int, seconds: float) -> None:
        """A round is done."""
        self.done, self.total, self.since = round, total, time.monotonic()
        self.pace = seconds if self.pace is None else 0.7 * self.pace + 0.3 * seconds
        self.ask("", 0)
        self.questions = 0

    def ask(self, action: str, asked: int) -> None:
        """A cohort is asked."""
        self.questions += 1
        self.action, self.asked, self.answered, self.failed, self.losses = action, asked, 0, 0, [0.0, 0.0]

    def reply(self, reply: Reply) -> None:
        """One of it answered."""
        self.answered += 1
        loss = reply.metrics.get("loss")
        if isinstance(loss, float):
            self.losses[0] += loss * reply.weight
            self.losses[1] += reply.weight

    @property
    def part(self) -> float:
        """How much of the open round is done: its first question is taken for the most of it."""
        if self.questions != 1 or not self.asked:
            return 0.0 if not self.questions else 1.0
        return min(1.0, (self.answered + self.failed) / self.asked)

    @property
    def left(self) -> float | None:
        """Seconds to the end, as far as can be told."""
        if self.pace is None:
            return None
        return max(0.0, self.pace * (self.total - self.done) - min(self.pace, time.monotonic() - self.since))


class Watching(Watch):
    """Lines about a run on a stream, a live one below them if wanted; counts failures."""

    def __init__(self, created: Created, out: Output, stream: TextIO, *, quiet: bool, live: bool) -> None:
        rounds = created.config.get("rounds")
        self.progress = Progress(rounds if isinstance(rounds, int) else 0)
        self.failures = 0
        self.first_round: float | None = None
        self._created, self._out, self._stream, self._quiet = created, out, stream, quiet
        self._alike: Counter[tuple[str, str]] = Counter()
        self._live: Live | None = None
        self._wants_live = live

    @property
    def elapsed(self) -> float:
        """Seconds since the command began."""
        return time.monotonic() - BEGUN

    def __enter__(self) -> Watching:
        if self._wants_live:
            from atoll.surfaces.cli._live import Live

            self._live = Live(self.progress, self._stream, colourful=self._out.colourful(self._stream))
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tell_the_alike()
        if self._live is not None:
            self._live.stop()
            self._live = None

    # -- what a run tells ----------------------------------------------------------------------------------

    def began(self, run: str, name: str, rounds_done: int) -> None:
        self.progress.done = rounds_done
        nodes, seed = count(len(self._created.nodes), "node"), self._created.seed
        onward = f", on from round {rounds_done}" if rounds_done else ""
        self._say(
            f"{self._paint(name, 'bold')}  {self._paint(f'{run[:6]}  {nodes}, seed {seed}{onward}', 'dim')}"
        )

    def asked(self, round: int, action: str, cohort: int) -> None:
        self.progress.ask(action, cohort)

    def replied(self, round: int, reply: Reply) -> None:
        self.progress.reply(reply)

    def failed(self, round: int, failure: Failure) -> None:
        if failure.kind == "late":
            return
        self.failures += 1
        self.progress.failed += 1
        self._alike[failure.kind, failure.message] += 1
        if self._alike[failure.kind, failure.message] <= _ALIKE:
            kind = self._paint(failure.kind, "red")
            self._say(
                f"  {failure.node} {kind}: {failure.message.splitlines()[0] if failure.message else ''}",
                even_if_quiet=True,
            )

    def committed(self, round: int, total: int, metrics: Mapping[str, Scalar], seconds: float) -> None:
        if self.first_round is None:
            self.first_round = self.elapsed
        self._tell_the_alike()
        self.progress.commit(round, total, seconds)
        told = "  ".join(f"{self._paint(n, 'dim')} {number(v)}" for n, v in metrics.items())
        self._say(f"round {round:>{len(str(total))}}/{total}  {told}  {self._paint(span(seconds), 'dim')}")

    def logged(self, level: str, message: str, round: int | None, node: str) -> None:
        for line in message.splitlines():
            colour = {"warning": "yellow", "error": "red"}.get(level, "")
            shown = self._paint(line, colour) if colour else line
            self._say(f"  {self._paint(node + ':', 'cyan')} {shown}" if node else f"  {shown}")

    def printed(self, line: str) -> None:
        """User code printed a line."""
        self._say(line, even_if_quiet=True)

    # -- inside --------------------------------------------------------------------------------------------

    def _tell_the_alike(self) -> None:
        for (kind, message), times in self._alike.items():
            if times > _ALIKE:
                more = f"  ... {times - _ALIKE} more {kind}: {message.splitlines()[0] if message else ''}"
                self._say(self._paint(more, "dim"), even_if_quiet=True)
        self._alike.clear()

    def _paint(self, text: str, colour: str) -> str:
        return self._out.paint(text, colour, stream=self._stream)

    def _say(self, line: str, *, even_if_quiet: bool = False) -> None:
        if self._quiet and not even_if_quiet:
            return
        if self._live is not None:
            self._live.say(line)
            return
        with contextlib.suppress(BrokenPipeError):  # a run goes on when nobody listens any more
            print(line, file=self._stream, flush=True)
