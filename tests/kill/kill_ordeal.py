"""One run of the app in `app/`, in processes that can be killed, with a ledger that only its clients write."""

from __future__ import annotations

import os
import select
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

from atoll.journal import Accepted, Committed, History, SqliteJournal
from forked import Forked, Ready

RUN = Path(__file__).with_name("run.py")


@dataclass
class Line:
    """One finished training, as its client noted it."""

    round: int
    node: str
    pid: int


@dataclass
class Seen:
    """What was durable at the moment of a kill, and how long the ledger was."""

    lines: int
    accepted: set[tuple[int, str]]
    committed: int


@dataclass
class Ordeal:
    """A run that is killed again and again until it is finished."""

    folder: Path
    ready: Ready
    save: str = "always"
    workers: int = 0
    kills: list[Seen] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        os.mkfifo(self.folder / "bell")
        self._bell = os.open(self.folder / "bell", os.O_RDWR | os.O_NONBLOCK)

    def start(self, *, failpoint: str = "") -> Forked:
        """A process that runs it, or goes on with it."""
        return self.ready.start(
            str(self.folder / "home"),
            self.save,
            str(self.workers),
            errors=self.folder / "stderr",
            failpoint=failpoint,
            LEDGER=str(self.folder / "ledger"),
            BELL=str(self.folder / "bell"),
        )

    def wait(self, child: Forked) -> int:
        """Wait for its end; a death by kill is noted together with what was durable then."""
        code = child.wait(60)
        assert code in (0, -signal.SIGKILL), (self.folder / "stderr").read_text()
        if code:
            self.kills.append(self._seen())
        return code

    def kill_after(self, lines: int, spin: float) -> int:
        """Run on until so many more trainings are noted, and a moment longer; then kill -9. Returns how it ended."""
        child = self.start()
        self.hear(child, lines)
        until = time.perf_counter() + spin
        while time.perf_counter() < until:
            pass
        child.kill()
        return self.wait(child)

    def hear(self, child: Forked, lines: int) -> None:
        """Wait until so many more trainings are noted, or the process has ended."""
        for _ in range(lines):
            ready, _, _ = select.select([self._bell, child], [], [], 60)
            if self._bell not in ready:
                return
            while os.read(self._bell, 1) != b"\n":
                pass

    def finish(self) -> None:
        """Resume until it is finished."""
        assert self.wait(self.start()) == 0

    def ledger(self) -> list[Line]:
        path = self.folder / "ledger"
        rows = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        return [Line(int(round), node, int(pid)) for round, node, pid in rows]

    def ended(self) -> bool:
        """Whether the run is finished."""
        journal = SqliteJournal(self.folder / "home")
        return any(s.status == "finished" for s in journal.runs())

    def history(self) -> History:
        journal = SqliteJournal(self.folder / "home")
        return History.of(journal, journal.find("@latest").id)

    def nothing_was_trained_again(self) -> None:
        """No kill made anybody do again what was durable by then."""
        lines = self.ledger()
        for seen in self.kills:
            for line in lines[seen.lines :]:
                assert line.round > seen.committed, f"{line} is of a round that was committed"
                assert (line.round, line.node) not in seen.accepted, f"{line} was accepted before"

    def _seen(self) -> Seen:
        lines = len(self.ledger())
        journal = SqliteJournal(self.folder / "home")
        events = [e for s in journal.runs() for _, e in journal.events(s.id)]
        journal.close()
        accepted = {(e.round, e.node) for e in events if isinstance(e, Accepted) and e.action == "train"}
        return Seen(lines, accepted, max([e.round for e in events if isinstance(e, Committed)], default=0))
