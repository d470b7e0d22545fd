"""The live line at the foot of a terminal, redrawn ten times a second; finished lines scroll above it.

Doesn't know what a run is beyond its `Progress`. What the run tells is only noted; a thread draws, so that a run of
many short rounds does not wait for the terminal.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, TextIO

from rich.console import Console, RenderableType
from rich.live import Live as RichLive
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from atoll.surfaces.cli._words import clock, number

if TYPE_CHECKING:
    from atoll.surfaces.cli._watching import Progress

_EVERY = 0.1  # seconds between two drawings
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class Live:
    """Draws from `start` to `stop`."""

    def __init__(self, progress: Progress, stream: TextIO, *, colourful: bool) -> None:
        self._progress = progress
        self._console = Console(
            file=stream,
            highlight=False,
            force_terminal=True,
            no_color=not colourful,
            emoji=False,
            markup=False,
        )
        self._live = RichLive(
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._lines: deque[str] = deque()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._draw_on, name="atoll-live", daemon=True)
        self._turn = 0

    def start(self) -> None:
        """Begin to draw."""
        self._live.start()
        self._thread.start()

    def stop(self) -> None:
        """Draw what is left to be said, and leave the terminal as it was."""
        self._ending.set()
        self._thread.join()
        self._live.stop()

    def say(self, line: str) -> None:
        """A line that stays."""
        self._lines.append(line)

    def _draw_on(self) -> None:
        try:
            while not self._ending.wait(_EVERY):
                self._draw()
            self._draw()
        except OSError:  # the terminal is gone; the run goes on
            self._lines = deque(maxlen=0)

    def _draw(self) -> None:
        self._live.update(_shown(self._progress, self._turn), refresh=False)
        self._turn += 1
        if self._lines:
            said = [self._lines.popleft() for _ in range(len(self._lines))]
            self._console.print(Text.from_ansi("\n".join(said)), soft_wrap=True)
        self._live.refresh()


def _shown(progress: Progress, turn: int) -> RenderableType:
    """The line: spinner, round, bar, clients, loss, time left."""
    row = Table.grid(padding=(0, 1))
    cells: list[RenderableType] = [
        Text(_SPINNER[turn % len(_SPINNER)], style="cyan"),
        Text(_round(progress), no_wrap=True),
    ]
    if progress.total:
        done = min(progress.total, progress.done + progress.part)
        cells.append(
            ProgressBar(
                total=progress.total, completed=done, width=20, complete_style="cyan", finished_style="green"
            )
        )
    cells.append(Text(_clients(progress), no_wrap=True, overflow="ellipsis"))
    row.add_row(*cells)
    return row


def _round(progress: Progress) -> str:
    if progress.total and progress.done >= progress.total:
        return "after the last round"
    return f"round {progress.done + 1}/{progress.total}" if progress.total else f"round {progress.done + 1}"


def _clients(progress: Progress) -> str:
    told = []
    if progress.action:
        told.append(f"{progress.action} {progress.answered + progress.failed}/{progress.asked}")
    if progress.failed:
        told.append(f"{progress.failed} failed")
    total, weight = progress.losses
    if weight:
        told.append(f"loss {number(total / weight)}")
    left = progress.left
    if left is not None and progress.done < progress.total:
        told.append(f"{clock(left)} left")
    return "  ".join(told)
