"""What client functions keep between tasks: one version for each call that changed it, named by the call's number.

Doesn't know what is in a version, or which of them counts: each offer names the one it begins from. A version is `.new`
until the coordinator has accepted the reply that it belongs to: a call that is done twice never takes the place of one
that counts.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from atoll.values import failpoint, register, sync_folder
from atoll.wire import Offer

NEW = ".new"
MOST = 16  # versions of a run that are not needed by the newest offer

_BEFORE = register("node.before-state", "a state's new version is about to be kept")
_AFTER = register("node.after-state", "a state's new version is durable, the reply that it belongs to is not")
_COUNTS = register(
    "node.before-accept", "a reply was accepted, the state that belongs to it is still called new"
)


class States:
    """The versions of every run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rounds: dict[str, int] = {}  # the newest round that a call was offered for

    def path(self, run: str, seq: int) -> Path | None:
        """The version that the call of this number made. An offer that names it tells that it counts."""
        path = self._folder / run / str(seq)
        if path.exists():
            return path
        new = path.with_suffix(NEW)
        return new if new.exists() else None

    def keep(self, run: str, seq: int, written: Path) -> None:
        """Take a new version over from a worker, durably: once its reply is accepted, nothing else has it."""
        folder = self._folder / run
        new = folder / f"{seq}{NEW}"
        if not written.exists() and new.exists():
            return  # taken over before
        failpoint(_BEFORE)
        if not folder.exists():
            folder.mkdir(mode=0o700)
            sync_folder(self._folder)
        descriptor = os.open(written, os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(written, new)
        sync_folder(folder)
        failpoint(_AFTER)

    def accept(self, run: str, seq: int) -> None:
        """The reply that a new version belongs to counts."""
        path = self._folder / run / str(seq)
        failpoint(_COUNTS)
        with contextlib.suppress(FileNotFoundError):  # done before
            os.replace(path.with_suffix(NEW), path)

    def discard(self, run: str, seq: int) -> None:
        """The reply that a new version belongs to does not count."""
        (self._folder / run / f"{seq}{NEW}").unlink(missing_ok=True)

    def offered(self, offer: Offer, in_hand: Callable[[str], set[int]]) -> None:
        """Forget what no call can begin from any more.

        The first offer of a round tells what the rounds before it, which are committed, have come to. Within a round
        older versions may be needed again: a reply that was accepted is void when the program asks something else.
        A new version whose verdict did not say that it counts may be the one: the answer was lost, and the round done.
        """
        run, after = offer.run, offer.state_after
        known = self._rounds.get(run)
        self._rounds[run] = max(offer.round, known or 0)
        if known is None:
            return
        kept, new = self._versions(run)
        old = [v for v in kept if v < after]
        for seq in old if offer.round > known else old[:-MOST]:
            (self._folder / run / str(seq)).unlink(missing_ok=True)
        if offer.round > known and new:
            for seq in {v for v in new if v < offer.seq and v != after} - in_hand(run):
                self.discard(run, seq)

    def forget(self, run: str) -> None:
        """Forget a run that was removed."""
        self._rounds.pop(run, None)
        shutil.rmtree(self._folder / run, ignore_errors=True)

    def _versions(self, run: str) -> tuple[list[int], list[int]]:
        """Those that count or did, and those that are new."""
        try:
            names = os.listdir(self._folder / run)
        except FileNotFoundError:
            return [], []
        kept = sorted(int(n) for n in names if n.isdigit())
        return kept, [int(n.removesuffix(NEW)) for n in names if n.endswith(NEW)]
