"""Finished answers on disk until the coordinator has them: a node that is killed sends them when it is back.

Doesn't know how they are sent.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

from atoll.values import UNREADABLE, failpoint, register, sync_folder
from atoll.wire import Answer, Good, digest_of

_BEFORE = register("node.before-outbox", "a call is finished, its answer is about to be kept")
_AFTER = register("node.after-outbox", "an answer is kept and not yet sent")
_DELIVERED = register("node.before-forget", "the coordinator has an answer that is still kept here")

LONG = 0.05  # seconds; an answer that took longer than this to make is worth waiting for the disk
SPEED = 50e6  # bytes a second that a slow disk takes


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """An answer, and what is needed to send it."""

    answer: Answer
    seq: int
    round: int
    federation: str


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Finished)


class Outbox:
    """The answers of every run; `sync` does something on another thread."""

    def __init__(self, folder: Path, sync: Callable[[Callable[[], None]], None]) -> None:
        self._folder, self._sync = folder, sync
        self._made: set[str] = set()
        self._lock = threading.Lock()

    def keep(self, finished: Finished, written: Mapping[str, str | Path], *, seconds: float) -> None:
        """Keep an answer and take over the files of its arrays. Raises `OSError` when the disk is full.

        A process that is killed leaves what it wrote to the system, so only a power cut can lose an answer, and then
        it is made again: the disk is waited for when that would take longer than the wait, and the arrays never.
        """
        failpoint(_BEFORE)
        self._make(finished.answer.run)
        for digest, path in written.items():
            with contextlib.suppress(FileNotFoundError):  # taken over before
                os.replace(path, self.array(finished, digest))
        _write(self._path(finished, ".answer"), _encoder.encode(finished), durable=seconds > LONG)
        failpoint(_AFTER)
        if written and seconds > LONG + sum(_objects(finished).values()) / SPEED:
            self._sync(lambda: self._settle(finished, list(written)))

    def array(self, finished: Finished, digest: str) -> Path:
        """Where the bytes of one of its objects are."""
        return self._path(finished, "." + digest.partition(":")[2][:64])

    def drop(self, finished: Finished) -> None:
        """Forget an answer: it was delivered, or is not wanted."""
        failpoint(_DELIVERED)
        self._path(finished, ".answer").unlink(missing_ok=True)
        for digest in _objects(finished):
            self.array(finished, digest).unlink(missing_ok=True)

    def forget(self, run: str) -> None:
        """Forget a run that was removed."""
        with self._lock:
            self._made.discard(run)
        shutil.rmtree(self._folder / run, ignore_errors=True)

    def kept(self) -> Iterator[Finished]:
        """What an earlier daemon left; what it left half written goes."""
        for folder in sorted(p for p in self._folder.iterdir() if p.is_dir()):
            needed: set[str] = set()
            for path in sorted(folder.glob("*.answer")):
                if (finished := self._read(path)) is not None:
                    needed |= {path.name, *(self.array(finished, d).name for d in _objects(finished))}
                    yield finished
            for path in folder.iterdir():
                if path.name not in needed:
                    path.unlink(missing_ok=True)
            if not needed:
                with contextlib.suppress(OSError):
                    folder.rmdir()

    def _read(self, path: Path) -> Finished | None:
        try:
            finished = _decoder.decode(path.read_bytes())
        except UNREADABLE:
            return None
        whole = finished.answer.digest == digest_of(finished.answer.outcome)
        return (
            finished
            if whole and all(self._fits(finished, d, n) for d, n in _objects(finished).items())
            else None
        )

    def _fits(self, finished: Finished, digest: str, size: int) -> bool:
        """One that is not here was not new: it is among the node's objects."""
        path = self.array(finished, digest)
        return not path.exists() or path.stat().st_size == size

    def _settle(self, finished: Finished, digests: list[str]) -> None:
        with contextlib.suppress(OSError):  # delivered meanwhile
            for digest in digests:
                descriptor = os.open(self.array(finished, digest), os.O_RDWR)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
            sync_folder(self._folder / finished.answer.run)

    def _make(self, run: str) -> None:
        if run not in self._made:
            (self._folder / run).mkdir(exist_ok=True, mode=0o700)
            with self._lock:
                self._made.add(run)

    def _path(self, finished: Finished, ending: str) -> Path:
        answer = finished.answer
        name = hashlib.sha256(f"{answer.key} {answer.call}".encode()).hexdigest()[:32]
        return self._folder / answer.run / f"{name}{ending}"


def _objects(finished: Finished) -> dict[str, int]:
    outcome = finished.answer.outcome
    return outcome.payload.objects if isinstance(outcome, Good) else {}


def _write(path: Path, body: bytes, *, durable: bool) -> None:
    """In place: what is cut off is no answer, and goes when the daemon starts again."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        view = memoryview(body)
        while view:
            view = view[os.write(descriptor, view) :]
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if durable:
        sync_folder(path.parent)
