"""What the coordinator writes down of itself: who did what, in the audit log of its home.

Doesn't know what is worth an entry; the rooms behind the desk say so. Nobody waits for the disk but whoever is told that
something has ended: entries are gathered for a moment, and a thread of its own writes them.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, final

from atoll.identity import AuditLog, IdentityError, Signed
from atoll.service.coordinator._clock import Clock
from atoll.service.coordinator._home import own_key
from atoll.service.coordinator._refusals import Refusal
from atoll.values import AtollError, failpoint, register

FILE = "audit.jsonl"
GATHERED = 0.02  # seconds in which entries are gathered, unless somebody waits for them
DURABLE = 1.0  # seconds after which what nobody waits for is made durable, too
PAUSE = 1.0  # seconds after a failed write in which nothing is tried
MOST = 100_000  # entries that wait for the disk; then nothing is done that would make more
ROWS, WIDE = 200, 32_000  # replies in one entry, and characters of them: it has to fit into a line
REFUSALS = 10.0  # seconds between two entries that tell of refusals of a kind

_BEFORE = register("coordinator.before-audit", "an entry of the audit log is about to be written")
_AFTER = register("coordinator.after-audit", "entries are in the audit log's file, nobody was told")

T = TypeVar("T")


class _Job:
    """An entry to be written."""

    __slots__ = ("kind", "what", "who")

    def __init__(self, kind: str, who: str, what: dict[str, Any]) -> None:
        self.kind, self.who, self.what = kind, who, what


@final
class Audit:
    """The coordinator's audit log, from its event loop."""

    def __init__(self, home: Path, clock: Clock) -> None:
        self.key = own_key(home)
        self._clock, self.path = clock, home / FILE
        self._log = AuditLog(self.path, of=self.key.id, now=clock.time)
        self._changed = threading.Condition()
        self._jobs: list[_Job] = []
        self._work: list[Callable[[Exception | None], None]] = []
        self._replies: dict[str, list[list[str]]] = {}  # rows of the last entry of a run, while it waits
        self._refused: dict[str, tuple[float, int]] = {}  # by code: when it was told last, and how many since
        self._closing, self._dirty = False, False
        self._added = self._durable = 0
        self._failed = ""
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    @property
    def of(self) -> str:
        """Whose log it is."""
        return self.key.id

    @property
    def said(self) -> int:
        """How many entries were added since the start, but for checkpoints."""
        return self._added

    # -- saying ------------------------------------------------------------------------------------------------

    def add(self, kind: str, who: str, what: Mapping[str, Any] | None = None) -> None:
        """Write down what somebody did; returns at once."""
        with self._changed:
            self._replies.clear()
            self._put(_Job(kind, who, dict(what or {})))

    def accepted(self, run: str, federation: str, node: str, call: str, digest: str) -> None:
        """A node's reply counts: the digest is of what came. Many of a run share an entry."""
        with self._changed:
            rows = self._replies.get(run)
            if rows is None or len(rows) >= ROWS or sum(len(n) + len(c) for n, c, _ in rows) > WIDE:
                rows = self._replies[run] = []
                what = {"run": run, "federation": federation, "replies": rows}
                self._put(_Job("replies-accepted", self.of, what))
            rows.append([node, call, digest])

    def counts(self, code: str) -> bool:
        """Whether a refusal of this kind is only counted now: a flood of them isn't written down one by one."""
        told, count = self._refused.get(code, (float("-inf"), 0))
        if self._clock.monotonic() - told >= REFUSALS and len(self._jobs) < MOST:
            return False
        self._refused[code] = told, count + 1
        return True

    def refused(self, code: str, who: str, what: Mapping[str, Any]) -> None:
        """Somebody was refused, and the last ones of the kind as well, which were only counted."""
        _, count = self._refused.get(code, (0.0, 0))
        self._refused[code] = self._clock.monotonic(), 0
        self.add("refused", who, {"code": code, **what, **({"more": count} if count else {})})

    def ready(self) -> None:
        """Refuse what would have to be written down while nothing can be."""
        if self._failed or len(self._jobs) > MOST:
            raise self._unwritable()

    async def durable(self) -> None:
        """Return when all that was added is durable. Raises `Refusal` when it can't be now; it is tried on."""
        if self._durable < self._added or self._failed:
            await self._soon(lambda: None)

    async def checkpoint(self) -> Signed:
        """Sign how far the log has come. Raises `Refusal`."""
        return await self._soon(lambda: self._log.checkpoint(self.key))

    async def keep(self, signed: Signed) -> None:
        """Keep a checkpoint of somebody else's log. Raises `IdentityError`, `Refusal`."""
        await self._soon(lambda: self._log.keep(signed))

    async def close(self) -> None:
        """Write what waits, and let go."""
        if not self._closing:
            with contextlib.suppress(AtollError):
                await self.durable()
            await asyncio.to_thread(self.abandon)

    def abandon(self) -> None:
        """Let go of the file."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()
        with contextlib.suppress(AtollError):
            self._log.close()

    # -- inside ------------------------------------------------------------------------------------------------

    def _put(self, job: _Job) -> None:
        self._added += 1
        self._jobs.append(job)
        if len(self._jobs) == 1:
            self._changed.notify()

    async def _soon(self, work: Callable[[], T]) -> T:
        """What work makes of the log, after all that was added; it is durable then."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()

        def settle(found: T | None, error: Exception | None) -> None:
            if done.done():
                return
            if error is None:
                done.set_result(found)  # type: ignore[arg-type]  # without an error there is one
            elif isinstance(error, IdentityError) and error.code != "audit.unusable":
                done.set_exception(error)
            else:
                done.set_exception(self._unwritable(error))

        def do(error: Exception | None) -> None:
            found: T | None = None
            if error is None:
                try:
                    found = work()
                    self._log.sync()
                except (AtollError, OSError) as raised:
                    error = raised
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(settle, found, error)

        with self._changed:
            if self._closing:
                raise self._unwritable()
            self._work.append(do)
            self._changed.notify()
        return await done

    def _run(self) -> None:
        while self._turn():
            pass

    def _turn(self) -> bool:
        """Write what has gathered; whether there may be more."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._jobs or self._work or self._closing, DURABLE if self._dirty else None
            )
            if self._jobs and not self._work and not self._closing:
                self._changed.wait_for(lambda: self._work or self._closing, GATHERED)
            jobs, self._jobs = self._jobs, []
            work, self._work = self._work, []
            self._replies.clear()
            added = self._added
        error = self._write(jobs, sync=bool(work) or not jobs)
        if error is None and (work or not jobs):
            self._durable = max(self._durable, added)
        for do in work:
            do(error)
        if error is not None:
            self._hold()
        with self._changed:
            return not self._closing or bool(self._jobs and error is None)

    def _write(self, jobs: list[_Job], *, sync: bool) -> Exception | None:
        """Write entries; those that could not be written are put back."""
        written = 0
        try:
            for job in jobs:
                failpoint(_BEFORE)
                self._log.append(job.kind, job.who, job.what)
                written += 1
            self._dirty = not sync
            if sync:
                self._log.sync()
            failpoint(_AFTER)
        except (AtollError, OSError) as error:
            with self._changed:
                self._jobs[:0] = jobs[written:]
            self._failed = _in_words(error)
            return error
        self._failed = ""
        return None

    def _hold(self) -> None:
        """Nothing can be written for a while."""
        with self._changed:
            self._changed.wait_for(lambda: self._closing, PAUSE)

    def _unwritable(self, error: Exception | None = None) -> Refusal:
        failed = self._failed if error is None else _in_words(error)
        full = "full" in failed or "No space" in failed
        why = failed or ("it is closed" if self._closing else "too much waits for the disk")
        message = f"the audit log can't be written, so that nothing is done that has to stand there: {why}"
        return Refusal(
            503,
            "disk.full" if full else "disk.failed",
            message,
            "make space on the coordinator's disk",
            retry=PAUSE,
        )


def _in_words(error: Exception) -> str:
    return error.message if isinstance(error, AtollError) else str(error)
